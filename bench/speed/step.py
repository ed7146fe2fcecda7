"""Training steps: ours against the same network in eager torch, as torch and MONAI ship it.

Every execution is a process of its own, since the allocator is tuned once for a process. A step is
forward, loss, backward, Adam; the one before it warms up.
"""

import sys
from typing import Any

from timing import Row, clock, contender, processes, report

NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "ResUNet": ("resunet", {}, 1),
    "KIS-Net": ("kisnet", {}, 12),
    "3D UX-Net (small)": ("uxnet", {"dims": (16, 32, 64, 128), "hidden": 128}, 1),
    "3D UX-Net": ("uxnet", {}, 1),
}
GOALS = {"ResUNet": 2.5, "KIS-Net": 2.5, "3D UX-Net (small)": 3.0, "3D UX-Net": 3.0}
BF16_GOALS = {"ResUNet": 5.0, "KIS-Net": 5.0, "3D UX-Net (small)": 4.0, "3D UX-Net": 4.0}
CODES = 11


def measure(options: Any) -> list[Row]:
    """A row for each network, and another in bfloat16 where the processor computes in it."""
    from hcnet.runtime import best_precision

    bf16 = best_precision("cpu") == "bf16-mixed"
    rows = []
    for name in NETWORKS:
        for precision, goals in (("fp32", GOALS), *((("bf16", BF16_GOALS),) if bf16 else ())):
            rows.append(_row(name, precision, goals[name], options))
    return rows


def _row(name: str, precision: str, goal: float, options: Any) -> Row:
    edge = str(options.edge)
    runs = processes(
        {
            "theirs": contender(__file__, "theirs", name, "fp32", edge),
            "ours": contender(__file__, "ours", name, precision, edge),
        },
        options.rounds,
    )
    one, other = runs["theirs"][0].answer, runs["ours"][0].answer
    apart = abs(one["gradient"] - other["gradient"]) / one["gradient"]
    return Row(
        work=f"{name}, training step, {edge}^3",
        reference="eager fp32, default allocator",
        ours=precision,
        reference_runs=runs["theirs"],
        our_runs=runs["ours"],
        goal=goal,
        gflop=3 * one["gflop"],  # backward is two more convolutions for each
        agreement=f"gradient norms {apart:.0e} apart",
    )


def _contender(who: str, name: str, precision: str, edge: int) -> None:
    import torch
    from plain import plain
    from torch.utils.flop_counter import FlopCounterMode

    from hcnet.nets.blocks import channels_last
    from hcnet.nets.registry import build_network
    from hcnet.runtime import tune_allocator

    if who == "ours":
        tune_allocator()
    torch.manual_seed(0)
    kind, settings, inputs = NETWORKS[name]
    network = build_network(kind, inputs, CODES if kind == "uxnet" else 1, settings)
    image = torch.randn(1, inputs, edge, edge, edge)
    if who == "ours":
        network = channels_last(network)
        image = image.contiguous(memory_format=torch.channels_last_3d)
    else:
        network = plain(network)
    arguments = (image[:, :1], image[:, 1:]) if inputs > 1 else (image,)
    optimiser = torch.optim.Adam(network.parameters())

    def step() -> float:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = network(*arguments).float().square().mean()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in network.parameters()])
        optimiser.step()
        return float(norm)

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(*arguments)
    gradient = step()  # of the untouched weights, so that both can be compared
    started = clock()
    step()
    report(clock() - started, gradient=gradient, gflop=counter.get_total_flops() / 1e9)


if __name__ == "__main__":
    _contender(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
