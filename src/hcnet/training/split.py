"""Splitting by patient: no patient is ever on both sides."""

from collections.abc import Sequence

import numpy as np

from hcnet.cohorts.case import Case
from hcnet.errors import InputError


def patient_of(case: Case) -> str:
    """The patient a case belongs to: the fact `patient_id`, else the case's own name."""
    return str(case.facts.get("patient_id", case.name)).upper()


def split_patients(
    cases: Sequence[Case], validation_share: float, seed: int
) -> tuple[list[Case], list[Case]]:
    """Split cases into training and validation, by patient (paper section 3: 8:2).

    Args:
        cases: all cases.
        validation_share: share of patients for validation, rounded, at least one.
        seed: the same seed and names give the same split, whatever the order of `cases`.

    Raises:
        InputError: fewer than four patients; stages 2 and 3 need two folds and a validation case.
    """
    patients = sorted({patient_of(case) for case in cases})
    if len(patients) < 4:
        raise InputError(f"training needs at least 4 patients; the cohort has {len(patients)}.")
    held = max(1, round(validation_share * len(patients)))
    held = min(held, len(patients) - 3)
    order = np.random.default_rng([seed, 1]).permutation(len(patients))
    validation = {patients[i] for i in order[:held]}
    return (
        [case for case in cases if patient_of(case) not in validation],
        [case for case in cases if patient_of(case) in validation],
    )


def folds_of(cases: Sequence[Case], count: int, seed: int) -> list[list[Case]]:
    """Deal the cases of a training split into `count` folds, by patient.

    Raises:
        InputError: fewer patients than folds.
    """
    patients = sorted({patient_of(case) for case in cases})
    if len(patients) < count:
        raise InputError(
            f"{count} folds need as many patients; the training split has {len(patients)}."
        )
    order = np.random.default_rng([seed, 2]).permutation(len(patients))
    fold = {patients[i]: rank % count for rank, i in enumerate(order)}
    return [[case for case in cases if fold[patient_of(case)] == f] for f in range(count)]
