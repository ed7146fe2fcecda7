"""How much two masks overlap, with a stated rule for every kind of empty mask."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import GeometryError


@dataclass(frozen=True)
class Overlap:
    """Overlap of a predicted mask with its reference (paper section 3.1).

    With TP, FP and FN the voxels in both masks, in the prediction only and in the reference only:

    ==============================  ======================  =========  =========
    masks                           DSC                     PPV        SEN
    ==============================  ======================  =========  =========
    both hold voxels                2 TP / (2 TP + FP + FN) TP/(TP+FP) TP/(TP+FN)
    both empty                      1                       1          1
    only the prediction is empty    0                       undefined  0
    only the reference is empty     0                       0          undefined
    ==============================  ======================  =========  =========

    Undefined is NaN: an empty prediction makes no statement that could be right or wrong, so a
    number in its place would be invented. Whoever averages counts the NaNs and says how many.

    Attributes:
        dsc: Dice similarity coefficient, 0 to 1.
        ppv: positive predictive value (precision), 0 to 1 or NaN.
        sen: sensitivity (recall), 0 to 1 or NaN.
    """

    dsc: float
    ppv: float
    sen: float


def overlap(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Overlap:
    """Compare two boolean masks.

    Args:
        prediction: mask of any shape.
        reference: mask of the same shape.

    Returns:
        the three measures, as tabulated in `Overlap`.

    Raises:
        GeometryError: the shapes differ.
        TypeError: one of the arrays is not boolean.
    """
    check_masks(prediction, reference)
    predicted, expected = int(prediction.sum()), int(reference.sum())
    if predicted == 0 and expected == 0:
        return Overlap(1.0, 1.0, 1.0)
    both = int((prediction & reference).sum())
    return Overlap(
        dsc=2 * both / (predicted + expected),
        ppv=both / predicted if predicted else float("nan"),
        sen=both / expected if expected else float("nan"),
    )


def check_masks(prediction: NDArray[Any], reference: NDArray[Any]) -> None:
    """Make sure that two arrays are boolean masks of one shape.

    Raises:
        GeometryError: the shapes differ.
        TypeError: one of the arrays is not boolean.
    """
    if prediction.dtype != bool or reference.dtype != bool:
        raise TypeError(f"masks must be boolean, not {prediction.dtype} and {reference.dtype}")
    if prediction.shape != reference.shape:
        raise GeometryError(
            f"the masks differ in shape: {prediction.shape} against {reference.shape}."
        )
