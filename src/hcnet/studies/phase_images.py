"""Later phases in the units of the normalised pre-contrast image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hcnet.prepare.cache import CachedCase


def enhancement(case: CachedCase, phases: Sequence[int]) -> NDArray[np.float32]:
    """What phases differ by from the pre-contrast phase, scaled as the image is.

    The image is the pre-contrast phase times a gain plus an offset, clipped at its extremes. The
    gain is found from the quartiles inside the breast, which the clipping leaves alone, so image +
    enhancement is the later phase in the image's units, whatever the normalisation.

    Args:
        case: with the phases.
        phases: which; negative numbers count from the last.

    Returns:
        (len(phases), X, Y, Z).
    """
    inside = np.asarray(case.breast) > 0
    pre = np.asarray(case.phases[0], np.float32)
    scanner, scaled = (
        float(np.subtract(*np.percentile(image[inside], (75, 25))))
        for image in (pre, np.asarray(case.image, np.float32))
    )
    gain = scaled / scanner if scanner > 0 else 0.0  # a constant image has nothing to scale by
    differences = [np.asarray(case.phases[i], np.float32) - pre for i in phases]
    return np.stack(differences) * np.float32(gain)
