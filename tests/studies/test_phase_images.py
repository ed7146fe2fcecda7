"""Enhancement in the image's units: the same gain, whatever the normalisation."""

import numpy as np
import pytest

from hcnet.prepare.cache import prepared_cases
from hcnet.prepare.settings import PrepareConfig
from hcnet.studies.phase_images import enhancement
from mini_cohort import write_mini


@pytest.mark.parametrize("normalise", ["zscore", "minmax"])
def test_image_and_enhancement_are_a_phase_in_the_image_s_units(tmp_path, normalise):
    cohort = write_mini(tmp_path / "cohort", 2, seed=1)
    settings = PrepareConfig(spacing_mm=(3.0, 3.0, 3.0), normalise=normalise)
    for case in prepared_cases(cohort.cases, settings, tmp_path / "cache"):
        pre, early, late = (np.asarray(phase, np.float64) for phase in case.phases)
        image = np.asarray(case.image, np.float64)
        low, high = image.min(), image.max()
        kept = (image > low) & (image < high)  # what the clipping left alone
        gain = np.polyfit(pre[kept], image[kept], 1)[0]
        found = enhancement(case, (1, -1))
        np.testing.assert_allclose(found[0], gain * (early - pre), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found[1], gain * (late - pre), rtol=1e-3, atol=1e-3)
