"""How often the input check flags exams: right ones, and those of other kinds.

    python bench/input_check.py COHORT [--exam EXAM --of CASE] [--preset ispy1-small]

Each patient of COHORT is judged by statistics of all others, with the breast mask computed as for a
user's exam; the training cases keep their own masks. --exam is a complete contrast-enhanced exam of
the case named by --of, which is then left out. CT and brain are the made-up ones of the tests.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.open import open_case
from hcnet.cohorts.phantom import write_phantom_cohort
from hcnet.config import load_config
from hcnet.inference.input_check import check_input
from hcnet.inference.input_features import image_features
from hcnet.inference.input_statistics import extents, fit_statistics
from hcnet.prepare.prepare import prepare_image
from hcnet.volumes.dicom.contrast import sign_of_contrast
from hcnet.volumes.dicom.sources import DicomPhase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from wrong_inputs import brain_mri, chest_ct

WRONG = 6
PHANTOMS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--exam", type=Path)
    parser.add_argument("--of")
    parser.add_argument("--preset", default="ispy1-small")
    options = parser.parse_args()
    settings = load_config(options.preset).prepare
    cases = read_cohort(options.cohort).cases
    learned = {case.name: [described(case, i, settings) for i in (0, 1)] for case in cases}

    def known(*without):
        rows = [pair for name, pair in learned.items() if name not in without]
        before = np.stack([pair[0][0] for pair in rows])
        return fit_statistics(
            before, np.stack([pair[1][0] for pair in rows]), np.stack([pair[0][1] for pair in rows])
        )

    def judge(volume, statistics, mask=None):
        return check_input(volume, prepare_image(volume, settings, mask), statistics)

    for what, phase in (("before contrast", 0), ("after contrast", 1)):
        tell(f"left-out patients, {what}",
             [judge(case.phases[phase].load(), known(case.name)) for case in cases])  # fmt: skip
    if options.exam:
        exam, statistics = open_case([options.exam]), known(options.of)
        found = [judge(phase.load(), statistics) for phase in exam.phases]
        tell("complete exam, before contrast", found[:1])
        tell("complete exam, after contrast", found[1:])
        signs = [
            sign_of_contrast(phase.stack) for phase in exam.phases if isinstance(phase, DicomPhase)
        ]
        print(f"headers of its phases, each by itself: {signs}", flush=True)
    everyone = known()
    scans = [chest_ct(seed) for seed in range(WRONG)]
    tell("chest CT, made up", [judge(image, everyone, mask) for image, mask in scans])
    heads = [brain_mri(seed) for seed in range(WRONG)]
    tell("brain MRI, made up", [judge(head, everyone) for head in heads])
    with tempfile.TemporaryDirectory() as folder:
        write_phantom_cohort(Path(folder) / "ph", PHANTOMS, seed=3)
        exams = [case.pre.load() for case in read_cohort(Path(folder) / "ph").cases]
        tell("phantoms, before contrast", [judge(exam, everyone) for exam in exams])


def described(case, phase, settings):
    """Numbers and extents of a phase, in the case's own breast mask."""
    image = case.phases[phase].load()
    mask = case.breast.load() if case.breast is not None else None
    prepared = prepare_image(image, settings, mask)
    raw = prepared.frame.to_prepared(image, "linear")
    numbers = image_features(raw, prepared.breast, prepared.grid.spacing)
    return numbers, extents(prepared.frame, prepared.breast)


def tell(what, checks) -> None:
    flagged = [check for check in checks if check.reasons]
    contrast = sum(any("contrast agent" in r for r in check.reasons) for check in flagged)
    distance = sum(check.distance > check.limit for check in flagged)
    times = np.median([check.distance / check.limit for check in checks])
    print(
        f"{what}: {len(flagged)} of {len(checks)} flagged (appearance {distance}, contrast "
        f"{contrast}; distance {times:.2f} times the limit in the median)",
        flush=True,
    )


if __name__ == "__main__":
    main()
