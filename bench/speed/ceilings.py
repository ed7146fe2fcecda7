"""What this machine can do at most: the figures that all others are a share of."""

import torch
from timing import in_turn, median_s
from torch.nn import functional as F

ROUNDS = 5
CHANNELS, EDGE = 48, 64
COPIED = 256 << 20


def convolution_gflops(dtype: torch.dtype) -> float:
    """GFLOP/s of a 3x3x3 convolution, 48 to 48 channels, 64^3, channels last."""
    cl = torch.channels_last_3d
    image = torch.randn(1, CHANNELS, EDGE, EDGE, EDGE, dtype=dtype).contiguous(memory_format=cl)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, 3, dtype=dtype).contiguous(memory_format=cl)
    gflop = 2 * 27 * CHANNELS**2 * EDGE**3 / 1e9
    with torch.inference_mode():
        runs = in_turn({"": lambda: F.conv3d(image, weight, padding=1)}, ROUNDS)[""]
    return gflop / median_s(runs)


def copy_gb_s() -> float:
    """GB/s of copying 256 MB, bytes read and bytes written counted."""
    source = torch.ones(COPIED // 4)
    target = torch.empty_like(source)
    runs = in_turn({"": lambda: target.copy_(source)}, ROUNDS)[""]
    return 2 * COPIED / 1e9 / median_s(runs)


def ceilings() -> dict[str, float | None]:
    """All ceilings; bfloat16 is None where the processor does not compute in it."""
    from hcnet.runtime import best_precision

    bf16 = best_precision("cpu") == "bf16-mixed"
    return {
        "convolution_fp32_gflop_s": convolution_gflops(torch.float32),
        "convolution_bf16_gflop_s": convolution_gflops(torch.bfloat16) if bf16 else None,
        "copy_gb_s": copy_gb_s(),
    }
