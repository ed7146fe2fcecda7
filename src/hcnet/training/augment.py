"""Augmentation of training patches, with MONAI's transforms.

Spatial changes act on every array of a patch alike; intensity changes on the image only. The random
state is set for each patch, so that a patch depends on its number and the seed alone.
"""

from collections.abc import Mapping

import monai
import numpy as np
import torch
from monai import transforms as mt
from torch import Tensor

from hcnet.settings import AugmentSettings

# The geometry of a patch is known here already; MONAI's own bookkeeping would only cost time.
monai.data.set_track_meta(False)

IMAGE = "image"
LABELS = frozenset({"tumour", "labels", "breast"})


class Augment:
    """Random changes of one patch.

    Args:
        settings: probabilities and ranges.
        keys: the arrays of a patch: `image`, label arrays, soft maps.
        spacing_mm: of the prepared grid. A rotation about an axis mixes the other two, so it is
            done only where those two have the same spacing.
    """

    def __init__(
        self, settings: AugmentSettings, keys: tuple[str, ...], spacing_mm: tuple[float, ...]
    ) -> None:
        self.keys = keys
        angle = float(np.deg2rad(settings.rotate_degrees))
        ranges = [angle if _alike(spacing_mm, axis) else 0.0 for axis in range(3)]
        # Left-right and head-foot mirror images are plausible breasts; front-back ones are not.
        steps: list[mt.Transform] = [
            mt.RandFlipd(keys, prob=settings.flip, spatial_axis=0),
            mt.RandFlipd(keys, prob=settings.flip, spatial_axis=2),
        ]
        if any(ranges):
            steps.append(
                mt.RandRotated(
                    keys,
                    *ranges,
                    prob=settings.rotate,
                    mode=["nearest" if key in LABELS else "bilinear" for key in keys],
                    padding_mode="border",
                )
            )
        steps += [
            mt.RandScaleIntensityd(IMAGE, factors=0.2, prob=settings.intensity),
            mt.RandShiftIntensityd(IMAGE, offsets=0.2, prob=settings.intensity),
            mt.RandAdjustContrastd(IMAGE, gamma=(0.7, 1.4), prob=settings.gamma),
            mt.RandBiasFieldd(IMAGE, degree=2, coeff_range=(0.0, 0.15), prob=settings.bias_field),
            mt.RandGaussianNoised(IMAGE, std=0.1, prob=settings.noise),
        ]
        self.steps = mt.Compose(steps)

    def __call__(self, patch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """Change one patch of (channel, x, y, z) tensors; the same seed gives the same change."""
        self.steps.set_random_state(seed=seed)
        changed = self.steps(dict(patch))
        return {k: torch.as_tensor(changed[k]).to(patch[k].dtype).contiguous() for k in self.keys}


def _alike(spacing_mm: tuple[float, ...], axis: int) -> bool:
    first, second = (s for i, s in enumerate(spacing_mm) if i != axis)
    return abs(first - second) <= 0.05 * max(first, second)
