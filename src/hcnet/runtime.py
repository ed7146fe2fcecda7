"""The machine below: memory allocator, number format, and what a manifest says about both."""

import ctypes
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

OPT_OUT = "HCNET_NO_MALLOPT"
"""Environment variable; anything but empty or 0 leaves the allocator alone."""

PACKAGES = ("hcnet", "torch", "monai", "numpy", "scipy", "nibabel", "SimpleITK", "pydicom")
"""Named in manifests: what computes, and what reads and writes files."""

_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
"""Number formats, in the words of PyTorch Lightning."""

# Parameters of mallopt(3), from malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3

SPARING = "gives memory back"
"""What a manifest calls the allocator after `spare_memory`."""

_state = {"allocator": "as the system has it"}


def tune_allocator() -> bool:
    """Let glibc keep freed memory, so that large tensors do not fault in their pages anew.

    By default glibc maps every large block from the kernel and gives it back at once; a training
    step then spends about as long in page faults as in arithmetic (ResUNet at 96^3: 2.78 s a step
    before, 1.34 s after). The price is a resident size up to 1.8 times as large. Arithmetic is
    untouched. Call it at the start of a process, before large allocations.

    Returns:
        whether it was applied: False on other C libraries, before glibc 2.35 (which caps the
        threshold at 32 MB), and where the environment variable `HCNET_NO_MALLOPT` is set.
    """
    # First the one that old versions refuse: any of the others alone would also end glibc's own
    # adaptation of the threshold, and leave it at 128 kB.
    if _mallopt(
        (_M_MMAP_THRESHOLD, 2**31 - 1), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 * 2**20)
    ):
        _state["allocator"] = "keeps freed memory"
        return True
    return False


def spare_memory() -> None:
    """Let glibc give back every block of 4 MB or more, and torch ask Linux for pages of 2 MB.

    For a process that predicts, where one window's maps decide how much memory there must be. By
    default glibc keeps more and more blocks below 32 MB. Smaller ones than 4 MB come and go too
    often (UX-Net, a window of 96^3 on two cores, memory beside its weights: 465 MB and 8.9 s if
    they stay, 455 and 10.7 if those of 2 MB go back, 450 and 12 for 1 MB, 495 and 8.7 for 8). Large
    pages make up for most of the time that fresh ones cost (12.6 to 10.2 s, measured before
    `hcnet.nets.winograd` was there). Call it before torch's first tensor, and where
    `tune_allocator` is not called after it. It does nothing where `HCNET_NO_MALLOPT` is set, or
    beyond Linux and glibc.
    """
    if _mallopt((_M_MMAP_THRESHOLD, 4 * 2**20)):
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        _state["allocator"] = SPARING


def give_back() -> None:
    """Let glibc give back what is free between smaller blocks, if `spare_memory` was applied.

    After much was loaded and let go: reading a UX-Net of 212 MB leaves 40 MB of it.
    """
    if _state["allocator"] == SPARING:
        ctypes.CDLL(None).malloc_trim(0)


def _mallopt(*parameters: tuple[int, int]) -> bool:
    """Set glibc's parameters in this order until one is refused; False where there is none."""
    if os.environ.get(OPT_OUT, "") not in ("", "0"):
        return False
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) for parameter, value in parameters)


def best_precision(device: Literal["auto", "cpu", "cuda"] = "auto") -> Precision:
    """The fastest number format that needs no loss scaling.

    Args:
        device: what computes; `auto` is a GPU where there is one.

    Returns:
        `bf16-mixed` where the hardware itself computes in bfloat16, else `32-true`.
    """
    import torch

    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bf16 = bool(_BF16_FLAGS & set(_cpu_flags()))
    return "bf16-mixed" if bf16 else "32-true"


def environment() -> dict[str, Any]:
    """What computed, as JSON values for a manifest.

    Returns:
        `versions` of hcnet, its main libraries and Python, `platform`, `cpu` (name and those of
        its flags that matter here), `threads`, `gpus`, `allocator`.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        "platform": platform.platform(),
        "cpu": {"name": _cpu_name(), "flags": _cpu_flags()},
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(gpus)],
        "allocator": _state["allocator"],
    }


def _cpu_flags() -> list[str]:
    flags = _cpu_facts().get("flags", "").split()
    return [flag for flag in _CPU_FLAGS if flag in flags]


def _cpu_name() -> str:
    return _cpu_facts().get("model name", "") or platform.processor() or platform.machine()


def _cpu_facts() -> dict[str, str]:
    """The first processor's entries in Linux's table; empty on other systems."""
    table = Path("/proc/cpuinfo")
    if not table.exists():
        return {}
    first = table.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def peak_memory_mb() -> int | None:
    """Largest resident size of this process so far in MB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux; its ru_maxrss would begin with the parent's peak
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def device_name() -> str:
    """What computes: the GPU's name, or the CPU's with the number of threads."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads"
