"""From probabilities to a mask; kept apart from the networks, so that a viewer can decide anew."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.settings import InferenceSettings
from hcnet.volumes.components import remove_small
from hcnet.volumes.volume import Grid


def tumour_mask(
    probability: NDArray[Any], breast: NDArray[Any], grid: Grid, inference: InferenceSettings
) -> NDArray[np.uint8]:
    """Decide the tumour mask from probabilities: threshold, breast only, small foci left out."""
    found = (probability >= inference.threshold) & (np.asarray(breast) > 0)
    return remove_small(found, grid, inference.smallest_component_ml).astype(np.uint8)
