"""What a network finds where no lesion is."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FalsePositives:
    """Means over lesion-free cases and seeds; NaN without such cases.

    Attributes:
        cases: how many have no lesion.
        rate: share of them in which something is found.
        ml: volume found.
        components: parts found.
    """

    cases: int
    rate: float
    ml: float
    components: float


def false_positives(ml: NDArray[np.float64], components: NDArray[np.float64]) -> FalsePositives:
    """Summarise what was found in lesion-free cases.

    Args:
        ml: (S, N) volume found, a row a seed, a column a case.
        components: (S, N) number of its parts.
    """
    if not ml.size:
        return FalsePositives(0, math.nan, math.nan, math.nan)
    return FalsePositives(
        ml.shape[1], float((ml > 0).mean()), float(ml.mean()), float(components.mean())
    )
