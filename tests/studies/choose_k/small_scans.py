"""Cohorts of small exams that are scanned twice: three tissues in a breast, new noise each time."""

import numpy as np

from hcnet.cohorts.cohort import read_cohort, write_case
from hcnet.volumes.volume import Volume

TIMES_S = (-60.0, 150.0, 450.0)
SIZE = 20
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
GAINS = np.array([[0, 0.02, 0.04], [0, 0.6, 1.0], [0, 2.2, 1.3]])


def tissues(number):
    """(X, Y, Z) 0 fat, 1 gland, 2 tumour, 3 outside the breast; the last case has no tumour."""
    places = np.zeros((SIZE,) * 3, dtype=int)
    places[6:14, 6:14, 4:16] = 1
    if number != 4:
        places[8:12, 8:12, 6 : 10 + number % 2] = 2
    places[:3] = 3
    return places


def write_scans(root, scan, cases=5, noise=2.0, phases=3, affine=AFFINE):
    """A cohort of one scan of each patient."""
    for number in range(cases):
        rng = np.random.default_rng([scan, number])
        places = tissues(number)
        gains = np.vstack([GAINS, np.zeros(3)])[places]
        signal = 100.0 * (1 + np.moveaxis(gains, -1, 0)) * (1 + 0.3 * (places == 1))
        signal = np.where(places == 3, 5.0, signal)
        signal = signal + rng.normal(0, noise, signal.shape)
        write_case(
            root,
            f"case_{number}",
            [Volume(phase.astype(np.float32), affine) for phase in signal[:phases]],
            tumour=Volume((places == 2).astype(np.uint8), affine),
            breast=Volume((places != 3).astype(np.uint8), affine),
            times_s=TIMES_S[:phases],
            times_from="injection",
        )
    return read_cohort(root)
