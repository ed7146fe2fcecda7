"""A cohort of blocks: a breast, a gland, a tumour, in the layout of a phantom cohort."""

from pathlib import Path

import numpy as np

from hcnet.cohorts.cohort import Cohort, read_cohort, write_case
from hcnet.config import Config
from hcnet.files import write_json
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume
from tiny import tiny_config

SHAPE = (20, 22, 24)
AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])  # stored left to right, so that grids differ in order
FAT, GLAND, TUMOUR_RIM = 2, 3, 5


def block(start: tuple[int, int, int], size: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(slice(s, s + size) for s in start)] = 1
    return mask


def write_mini(
    root: Path, cases: int, seed: int, *, masks: bool = True, null: bool = False, truth: bool = True
) -> Cohort:
    """Every fourth case has no lesion; without `masks` only its box tells of a lesion."""
    for number in range(cases):
        rng = np.random.default_rng([seed, number])
        name = f"CASE_{number:02d}"
        breast = block((2, 2, 2), 16)
        gland = block((6, 6, 6), 9)
        corner = tuple(int(i) for i in rng.integers(7, 11, 3))
        tumour = block(corner, 4) if number % 4 else np.zeros(SHAPE, np.uint8)
        pre = 20 + 100 * breast + 40 * gland - 30.0 * tumour + rng.normal(0, 2, SHAPE)
        early = pre * (1 + 0.1 * gland + 1.5 * tumour)
        late = pre * (1 + 0.2 * gland + 1.0 * tumour)
        facts = {"clinical_data": {"breast_density": "abcd"[number % 4]}}
        if tumour.any():
            keys = [f"{axis}_{end}" for axis in "xyz" for end in ("min", "max")]
            ends = [end for c in corner for end in (c - 1, c + 5)]
            facts["primary_lesion"] = {"tumour_box": dict(zip(keys, ends, strict=True))}
        volumes = [Volume(phase.astype(np.float32), AFFINE) for phase in (pre, early, late)]
        write_case(root, name, volumes, tumour=Volume(tumour, AFFINE) if masks else None,
                   breast=Volume(breast, AFFINE), times_s=(-20, 150, 450), times_from="injection",
                   facts=facts)  # fmt: skip
        if truth:
            folder = root / "truth" / name
            write_nifti(Volume(tumour, AFFINE), folder / "tumour.nii.gz")
            labels = np.where(tumour, TUMOUR_RIM, np.where(gland, GLAND, FAT * breast))
            write_nifti(Volume(labels.astype(np.uint8), AFFINE), folder / "labels.nii.gz")
            for other in range(2 if null else 0):
                moved = block((7 + other, 7, 7), 4) * np.uint8(tumour.any())
                write_nifti(Volume(moved, AFFINE), folder / f"redrawn_{other}.nii.gz")
    if truth:
        write_json(root / "phantom.json", {"generator": "hcnet", "seed": seed, "settings": {}})
    return read_cohort(root)


def mini_config(*more: str) -> Config:
    """`tiny_config` with one budget for all stages."""
    same = [
        f"{stage}.{setting}"
        for stage in ("hipm", "kis")
        for setting in ("epochs=1", "steps_per_epoch=2", "lr=0.002", "batch_size=2")
    ]
    return tiny_config(*same, "validation_share=0.25", "kinetics.max_points=2000", *more)
