"""Verifying a bundle: what is promised in `bundle.json` is there, whole, and computes."""

from dataclasses import dataclass

import torch
from torch import nn

from hcnet.errors import BundleError
from hcnet.inference.bundle import Bundle
from hcnet.inference.segment import as_map_input
from hcnet.inference.windows import map_model, tumour_model
from hcnet.nets.registry import count_parameters


@dataclass(frozen=True)
class Verified:
    """What was checked.

    Attributes:
        members: pairs of networks that were loaded and run.
        parameters: of all of them.
    """

    members: int
    parameters: int


def verify_bundle(bundle: Bundle) -> Verified:
    """Check every hash, load every network, and run each pair on a patch of noise.

    Args:
        bundle: as `open_bundle` returned it, which has checked `bundle.json` and stage 1.

    Raises:
        BundleError: a file is missing, altered or does not fit; the classes of stage 1, HIPM and
            KIS-Net do not fit together; or a network does not give finite probabilities.
    """
    info, parameters = bundle.info, 0
    classes = bundle.codebook.k + 1
    if info.hipm.out_channels != classes or info.kis.in_channels != 1 + classes:
        raise BundleError(
            f"{bundle.path}: stage 1 has {classes - 1} classes, but HIPM predicts "
            f"{info.hipm.out_channels - 1} and KIS-Net takes {info.kis.in_channels - 2}; "
            "get the bundle anew."
        )
    for number in range(bundle.members):
        hipm, kis = bundle.member(number)
        if number == 0 or not bundle.shares_hipm:
            parameters += count_parameters(hipm)
        parameters += count_parameters(kis)
        if not _computes(hipm, kis, info.hipm.patch, info.maps):
            raise BundleError(
                f"{bundle.path}: member {number} gives no finite probabilities; get the bundle "
                "anew."
            )
    return Verified(bundle.members, parameters)


@torch.inference_mode()
def _computes(hipm: nn.Module, kis: nn.Module, patch: tuple[int, int, int], form: str) -> bool:
    noise = torch.randn(1, 1, *patch, generator=torch.Generator().manual_seed(0))
    maps = map_model(hipm)(noise)
    tumour = tumour_model(kis)(noise, as_map_input(maps, form))
    return bool(torch.isfinite(maps).all() and torch.isfinite(tumour).all())
