"""Training steps: ours against the same network in eager torch, as torch and MONAI ship it.

Every execution is a process of its own, since the allocator is tuned once for a process. A step is
forward, loss, backward, Adam; of `STEPS` after two that warm up, the median counts.
"""

import statistics
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
STEPS = 3


def measure(options: Any) -> list[Row]:
    """A row for each network, and another in bfloat16 where the processor computes in it.

    The UX-Net is the published one or the small one, as the options say.
    """
    from hcnet.runtime import best_precision

    goals = {"fp32": GOALS}
    if best_precision("cpu") == "bf16-mixed":
        goals["bf16"] = BF16_GOALS
    left_out = "3D UX-Net (small)" if options.networks == "published" else "3D UX-Net"
    names = [name for name in NETWORKS if name != left_out]
    return [row for name in names for row in _rows(name, goals, options)]


def _rows(name: str, goals: dict[str, dict[str, float]], options: Any) -> list[Row]:
    edge = str(options.edge)
    ours = {precision: contender(__file__, "ours", name, precision, edge) for precision in goals}
    theirs = contender(__file__, "theirs", name, "fp32", edge)
    runs = processes({"theirs": theirs, **ours}, options.rounds)
    expected = runs["theirs"][0].answer
    rows = []
    for precision in goals:
        found = runs[precision][0].answer["gradient"]
        apart = abs(expected["gradient"] - found) / expected["gradient"]
        rows.append(
            Row(
                work=f"{name}, training step, {edge}^3",
                reference="eager fp32, default allocator",
                ours=precision,
                reference_runs=runs["theirs"],
                our_runs=runs[precision],
                goal=goals[precision][name],
                gflop=3 * expected["gflop"],  # backward is two more convolutions for each
                agreement=f"gradient norms {apart:.0e} apart",
            )
        )
    return rows


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
    optimiser = torch.optim.Adam(network.parameters(), fused=who == "ours")

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
    step()
    seconds = []
    for _ in range(STEPS):
        started = clock()
        step()
        seconds.append(clock() - started)
    seconds_a_step = statistics.median(seconds)
    report(seconds_a_step, gradient=gradient, gflop=counter.get_total_flops() / 1e9)


if __name__ == "__main__":
    _contender(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
