"""How well one group of voxels stands out from another in one image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auc(positive: NDArray[Any], negative: NDArray[Any]) -> float:
    """Chance that a voxel of the first group is brighter than one of the second, ties half.

    The area under the ROC curve of brightness, exact. 0.5 says that brightness tells nothing; below
    0.5 the first group is the darker one.

    Args:
        positive: (N,) values.
        negative: (M,) values.

    Returns:
        0 to 1; NaN where a group is empty.
    """
    n, m = len(positive), len(negative)
    if not n or not m:
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def contrast_to_noise(one: NDArray[Any], other: NDArray[Any], sigma: float) -> float:
    """Difference of the means over the noise of one channel; NaN where a group is empty."""
    return (mean(one) - mean(other)) / sigma


def mean(values: NDArray[Any]) -> float:
    """Mean in double precision, NaN where there is nothing."""
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")


def median(values: NDArray[Any]) -> float:
    """Median of the values that are not NaN; NaN where there are none."""
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else float("nan")
