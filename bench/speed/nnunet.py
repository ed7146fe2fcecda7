"""The same exam by nnU-Net v2's own predictor, with its own kind of network of equal work.

nnU-Net lives in an environment of its own (`make .venv-nnunet/installed`). Its network is the plain
convolutional U-Net of a 3d_fullres plan for the same patch, with as many channels as make it cost
what our two networks cost together a window. The predictor is as nnU-Net ships it but for
mirroring, which by default multiplies its time by eight and is left out here.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from segment import CODES, PATCH, SHAPE, uxnet_options, work_folder
from timing import Row, clock, contender, processes, report

GOAL = 3.0
PYTHON = Path(__file__).resolve().parents[2] / ".venv-nnunet" / "bin" / "python"


def measure(options: Any) -> list[Row]:
    """Ours in the training's patches and in large windows against nnU-Net's predictor.

    Raises:
        SystemExit: nnU-Net's environment is not there.
    """
    if not PYTHON.is_file():
        sys.exit("bench: nnU-Net is not installed; run `make .venv-nnunet/installed` first.")
    folder = work_folder(options)
    work = _gflop(uxnet_options(options))
    here = Path(__file__).resolve()
    ours = str(here.with_name("segment.py"))
    runs = processes(
        {
            "nnU-Net": [str(PYTHON), str(here), str(folder), str(work)],
            "patches": contender(ours, "ours", str(folder), "--name", "patches"),
            "largest windows": contender(
                ours, "ours", str(folder), "--name", "largest-windows", "--largest"
            ),
        },
        options.rounds,
    )
    return [
        Row(
            work=f"segment {SHAPE}, {options.networks} networks",
            reference="nnU-Net v2 predictor, no mirroring, equal GFLOP a window",
            ours=name,
            reference_runs=runs["nnU-Net"],
            our_runs=runs[name],
            goal=GOAL,
            note=f"{work:.0f} GFLOP a window; nnU-Net's {runs['nnU-Net'][0].answer['gflop']:.0f}",
        )
        for name in ("patches", "largest windows")
    ]


def _gflop(uxnet: dict[str, Any]) -> float:
    """GFLOP of both our networks for a window."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from hcnet.nets.registry import build_network

    networks = (
        (build_network("uxnet", 1, CODES + 1, uxnet), (1,)),
        (build_network("kisnet", CODES + 2, 1, {}), (1, CODES + 1)),
    )
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        for network, channels in networks:
            network.to("meta")(*(torch.empty(1, c, *PATCH, device="meta") for c in channels))
    return counter.get_total_flops() / 1e9


def _theirs(folder: Path, gflop: float) -> None:
    """Runs in nnU-Net's environment: nothing of ours can be imported."""
    from types import SimpleNamespace

    import nibabel as nib
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from torch.utils.flop_counter import FlopCounterMode

    def network(base: int) -> Any:
        return PlainConvUNet(
            input_channels=1,
            n_stages=5,
            features_per_stage=[min(base * 2**level, 10 * base) for level in range(5)],
            conv_op=torch.nn.Conv3d,
            kernel_sizes=3,
            strides=[1, 2, 2, 2, 2],
            n_conv_per_stage=2,
            num_classes=2,
            n_conv_per_stage_decoder=2,
            conv_bias=True,
            norm_op=torch.nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=torch.nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
        )

    def cost(base: int) -> float:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(base).to("meta").eval()(torch.empty(1, 1, *PATCH, device="meta"))
        return counter.get_total_flops() / 1e9

    base = min(range(8, 129, 4), key=lambda channels: abs(cost(channels) - gflop))
    predictor = nnUNetPredictor(
        tile_step_size=0.5,
        use_gaussian=True,
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.network = network(base).eval()
    predictor.configuration_manager = SimpleNamespace(patch_size=list(PATCH))
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=2)
    predictor.allowed_mirroring_axes = None
    started = clock()
    file = nib.load(folder / "exam.nii.gz")
    image = np.asarray(file.dataobj, np.float32)
    image = (image - image.mean()) / image.std()
    with torch.inference_mode():
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image[None]))
    mask = logits.argmax(0).numpy().astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, file.affine), folder / "nnunet.nii.gz")
    report(clock() - started, gflop=cost(base))


if __name__ == "__main__":
    _theirs(Path(sys.argv[1]), float(json.loads(sys.argv[2])))
