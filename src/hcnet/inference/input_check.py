"""Is an exam like those that the networks learned from?

Three questions, answered from the image and its breast mask alone:

1. appearance: how far is the exam from the training cases in the numbers of `input_features`? The
   distance is Mahalanobis' with a covariance shrunk towards its diagonal, as a mean over the
   numbers: 1 is usual. What differs in a way in which training cases do not differ from each other
   counts most, as the rest of a reconstruction from principal components does;
2. contrast: is it more like the training cases' first phase after contrast than like that before?
   A linear discriminant with the same kind of covariance (Fisher, Annals of Eugenics 7, 1936);
3. extent: are voxels, field of view and breast within what the training had, and some more?

The limits of the first two are the largest values of training cases that were left out of the fit
in turn. An exam of the same kind exceeds each with a chance of about 1 in n + 1.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.inference.input_features import FEATURES, image_features
from hcnet.inference.input_statistics import EXTENTS, InputStatistics, extents
from hcnet.prepare.prepare import PreparedImage
from hcnet.volumes.volume import Volume

EXTENT_FACTOR = 2.0
"""An extent may be so much smaller or larger than any in training."""
COARSER_FACTOR = 1.5
"""Voxels may be so much larger than any in training; smaller ones are no loss."""
MOST_REASONS = 3
NOT_A_BREAST = 3.0
"""Limits of distance above which it is idle to ask for contrast: this is another kind of image."""
_VOXEL_SIZES = 3


@dataclass(frozen=True)
class InputCheck:
    """What was found.

    Attributes:
        distance: of the appearance; 1 is usual.
        limit: above it the appearance is unlike that of the training.
        reasons: what is unusual, in words; none where nothing is.
    """

    distance: float
    limit: float
    reasons: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """A sentence for the user, or None where nothing is unusual."""
        if not self.reasons:
            return None
        return (
            f"The exam is unlike those that the networks learned from: {'; '.join(self.reasons)}."
        )

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "reasons": list(self.reasons)}


def check_input(
    image: Volume, prepared: PreparedImage, statistics: InputStatistics
) -> InputCheck | None:
    """Compare an exam with the training cases.

    Args:
        image: as it was read.
        prepared: the same, prepared as for the networks.
        statistics: of the training cases.

    Returns:
        None where the statistics are of other numbers, as another version of hcnet keeps them.
    """
    if statistics.features != tuple(FEATURES):
        return None
    raw = prepared.frame.to_prepared(image, "linear")
    features = image_features(raw, prepared.breast, prepared.grid.spacing)
    distance = statistics.distance(features)
    reasons = []
    if distance <= NOT_A_BREAST * statistics.limit and statistics.after_contrast(features):
        reasons.append("it looks as if contrast agent had been given before")
    if distance > statistics.limit:
        reasons += _appearance(features, statistics)
    reasons += _extents(extents(prepared.frame, prepared.breast), statistics)
    return InputCheck(distance, statistics.limit, tuple(reasons))


def _appearance(features: NDArray[np.float64], known: InputStatistics) -> list[str]:
    """The numbers furthest from those of the training, if they are out of its range."""
    off = np.abs(features - np.array(known.centre)) / np.array(known.spread)
    found = []
    for number in np.argsort(-off):
        value, low, high = (row[number] for row in (features, known.low, known.high))
        if not low <= value <= high:
            found.append(
                f"{FEATURES[known.features[number]]} is {value:.2f} (training: {low:.2f} to "
                f"{high:.2f})"
            )
    return found[:MOST_REASONS] or ["intensities and texture go together as in no training case"]


def _extents(values: NDArray[np.float64], known: InputStatistics) -> list[str]:
    found = []
    for number, (what, value) in enumerate(zip(EXTENTS, values, strict=True)):
        low, high = known.extent_low[number], known.extent_high[number]
        if number < _VOXEL_SIZES:
            unusual = value > COARSER_FACTOR * high
        else:
            unusual = not low / EXTENT_FACTOR <= value <= EXTENT_FACTOR * high
        if unusual:
            found.append(f"{what} is {value:.3g} (training: {low:.3g} to {high:.3g})")
    return found
