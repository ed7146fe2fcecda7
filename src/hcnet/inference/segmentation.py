"""From what the networks say of the prepared image to the results on the input's own grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hcnet.inference.calibration import Calibration
from hcnet.inference.decide import tumour_mask
from hcnet.inference.ensemble import RunningMean, entropy_bits
from hcnet.inference.input_check import InputCheck
from hcnet.prepare.prepare import PreparedImage
from hcnet.settings import InferenceSettings
from hcnet.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What segmenting gives, all on the input's own grid.

    Attributes:
        image: the pre-contrast volume as read.
        breast: breast mask, uint8.
        tumour: tumour mask, uint8.
        probability: tumour probability, calibrated where the bundle says how; float32, 0 outside
            the breast.
        heterogeneity: 0 outside the breast, k+1 for code k, codes sorted from least to most
            suspicious, uint8.
        class_probabilities: (X, Y, Z, K) float32, 0 outside the breast; class k at index k.
        uncertainty: entropy of the tumour probability in bits, 0 to 1, float32, 0 outside the
            breast.
        disagreement: how much the passes differ, in bits, 0 to 1, float32, 0 outside the breast:
            their mutual information (`hcnet.inference.ensemble`). None where there was one pass.
        member_ml: tumour volume (ml) that each member alone would give; one where one predicted.
        check: whether the exam is like those of the training; None where the bundle does not know.
    """

    image: Volume
    breast: Volume
    tumour: Volume
    probability: Volume
    heterogeneity: Volume
    class_probabilities: NDArray[np.float32]
    uncertainty: Volume
    disagreement: Volume | None
    member_ml: tuple[float, ...]
    check: InputCheck | None


class Passes:
    """Gathers predictions on the prepared grid; holds means only.

    Args:
        image: as read.
        prepared: gives the grids and the breast.
        calibration: of the mean; None leaves probabilities as the networks give them.
        inference: threshold, smallest focus.
        members: how many predict; a single one's volume is that of the mean.
    """

    def __init__(
        self,
        image: Volume,
        prepared: PreparedImage,
        calibration: Calibration | None,
        inference: InferenceSettings,
        members: int,
    ) -> None:
        self._members = members
        self._image, self._prepared = image, prepared
        self._calibration, self._inference = calibration, inference
        self._count = 0
        self._maps, self._tumour = RunningMean(), RunningMean()
        self._calibrated, self._entropy = RunningMean(), RunningMean()
        self._own = RunningMean()
        self._member_ml: list[float] = []

    def add(self, maps: Tensor, tumour: Tensor) -> None:
        """Take in a pass: class probabilities (K+1, X, Y, Z), tumour probability (X, Y, Z)."""
        self._count += 1
        self._maps.add(maps)
        calibrated = self._of(tumour.numpy())
        self._entropy.add(torch.from_numpy(entropy_bits(calibrated)))
        for mean, values in (
            (self._calibrated, torch.from_numpy(calibrated)),
            (self._own, tumour),
            (self._tumour, tumour),
        ):
            mean.add(values.clone())

    def end_member(self) -> None:
        """All passes of one member were added."""
        if self._members == 1:
            return
        probability = self._native_probability(self._own.mean)
        voxels = int(self._mask(probability).sum())
        self._member_ml.append(voxels * self._image.grid.voxel_ml)
        self._own = RunningMean()

    def segmentation(self, check: InputCheck | None) -> Segmentation:
        """Lay the means back onto the input's own grid.

        Probabilities are resampled, labels decided after that, so that outlines are as fine as the
        input's grid allows. Outside the breast mask everything is 0.
        """
        image, prepared, maps = self._image, self._prepared, self._maps.mean
        breast = prepared.native_breast
        probability = self._native_probability(self._tumour.mean)
        tumour = self._mask(probability)
        alone = (float(tumour.sum()) * image.grid.voxel_ml,)
        classes = np.empty((*image.shape, maps.shape[0] - 1), np.float32)
        for k in range(maps.shape[0] - 1):
            classes[..., k] = prepared.to_native(maps[k + 1].numpy(), "linear").data * breast
        labels = np.where(breast, classes.argmax(-1) + 1, 0).astype(np.uint8)
        return Segmentation(
            image=image,
            breast=image.with_data(breast.astype(np.uint8)),
            tumour=image.with_data(tumour),
            probability=image.with_data(probability),
            heterogeneity=image.with_data(labels),
            class_probabilities=classes,
            uncertainty=image.with_data(entropy_bits(probability) * breast),
            disagreement=self._disagreement(),
            member_ml=alone if self._members == 1 else tuple(self._member_ml),
            check=check,
        )

    def _of(self, probability: NDArray[Any]) -> NDArray[np.float32]:
        if self._calibration is None:
            return probability.astype(np.float32, copy=False)
        return self._calibration.of(probability)

    def _native_probability(self, tumour: Tensor) -> NDArray[np.float32]:
        breast = self._prepared.native_breast
        found = self._prepared.to_native(tumour.numpy(), "linear").data.astype(np.float32)
        probability = np.zeros(found.shape, np.float32)
        probability[breast] = self._of(found[breast])
        return probability

    def _mask(self, probability: NDArray[np.float32]) -> NDArray[np.uint8]:
        breast = self._prepared.native_breast
        return tumour_mask(probability, breast, self._image.grid, self._inference)

    def _disagreement(self) -> Volume | None:
        """Mutual information, in bits: entropy of the mean less the mean of the entropies."""
        if self._count == 1:
            return None
        total = entropy_bits(self._calibrated.mean.numpy())
        between = np.maximum(total - self._entropy.mean.numpy(), 0)  # below 0 by rounding only
        found = self._prepared.to_native(between, "linear").data * self._prepared.native_breast
        return self._image.with_data(found.astype(np.float32))
