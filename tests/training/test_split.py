"""Splits and folds never share a patient."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.cohorts.case import ArraySource, Case
from hcnet.errors import InputError
from hcnet.training.split import folds_of, patient_of, split_patients
from hcnet.volumes.volume import Volume

FOLDS = Path(__file__).resolve().parents[2] / "bench" / "ispy1_folds.json"
SOURCE = ArraySource(Volume(np.zeros((1, 1, 1)), np.eye(4)))


def cases(patients, visits=1):
    return [
        Case(f"P{p}_V{v}", (SOURCE,), facts={"patient_id": f"p{p}"})
        for p in range(patients)
        for v in range(visits)
    ]


@given(st.integers(4, 40), st.integers(1, 3), st.floats(0.05, 0.6), st.integers(0, 5))
def test_no_patient_on_both_sides(patients, visits, share, seed):
    everything = cases(patients, visits)
    train, held = split_patients(everything, share, seed)
    assert not {patient_of(c) for c in train} & {patient_of(c) for c in held}
    assert len(train) + len(held) == len(everything)
    assert held
    again = split_patients(everything[::-1], share, seed)
    assert {c.name for c in again[1]} == {c.name for c in held}
    folds = folds_of(train, 2, seed)
    assert sorted(c.name for fold in folds for c in fold) == sorted(c.name for c in train)
    assert not {patient_of(c) for c in folds[0]} & {patient_of(c) for c in folds[1]}
    assert all(folds)


def test_the_papers_share():
    train, held = split_patients(cases(40), 0.2, seed=0)
    assert (len(train), len(held)) == (32, 8)


def test_seed_changes_the_split():
    names = [{c.name for c in split_patients(cases(40), 0.2, seed)[1]} for seed in (0, 1)]
    assert names[0] != names[1]


def test_too_few_patients():
    with pytest.raises(InputError, match="at least 4 patients"):
        split_patients(cases(3, visits=5), 0.2, 0)
    with pytest.raises(InputError, match="5 folds"):
        folds_of(cases(4), 5, 0)


def test_the_folds_of_the_real_cohort_stay_as_they_are():
    record = json.loads(FOLDS.read_text())["folds"]
    named = [Case(name, (SOURCE,)) for fold in record for name in fold]
    found = folds_of(sorted(named, key=lambda case: case.name), 5, 0)
    assert [[case.name for case in fold] for fold in found] == record
