"""Records of a comparison made by hand: no training, known means."""

import math

import numpy as np

from hcnet.evaluation.evaluate import CaseScores
from hcnet.studies.compare.entries import TABLE_1, Entry
from hcnet.studies.compare.estimate import HIPM
from hcnet.studies.compare.measure import Measured
from hcnet.studies.compare.records import MapRecord, MapRow, Took, TumourRecord
from hcnet.studies.compare.summary import summarise_maps, summarise_tumours
from hcnet.studies.score import TestScores

NAN = math.nan
NAMES = [f"C{i}" for i in range(6)]
FREE = "FREE"
PATIENTS = {name: name for name in (*NAMES, FREE)}
DSC = dict(zip([entry.name for entry in TABLE_1],
               (0.1, 0.12, 0.24, 0.26, 0.14, 0.16, 0.28, 0.22, 0.05, 0.07, 0.06, 0.08, 0.09, 0.2),
               strict=True))  # fmt: skip
"""Mean DSC of each row of Table 1 less 0.3, in seed 0."""
MAPS = tuple(Entry(name, "pre") for name in ("vnet", "resunet", "uxnet"))
MEASURED = {entry.name: Measured(2_000_000_000 * (1 + i), 1.0, 0.1, 1000 + i, "a device")
            for i, entry in enumerate((*TABLE_1, Entry("resunet", "post")))}  # fmt: skip
MEASURED[HIPM] = Measured(500_000_000, 1.0, 0.1, 5000, "a device")


def took(cases):
    return Took(1_500_000, 20, 10.0, (0.5,) * cases, 0.5)


def tumour_record(entry, shift, seed=0, fold=0, names=(*NAMES, FREE), missed=()):
    """DSC 0.05, 0.15, ... plus `shift` and 0.02 a seed; `missed` cases are marked nowhere."""
    rows = []
    for name in names:
        number, ml = int(name[1:]) if name != FREE else -1, 2.5 * (seed == 0)
        dsc = 0.05 + 0.1 * number + shift + 0.02 * seed
        if name == FREE:
            scores = CaseScores(name, 0.0, 0.0, NAN, NAN, NAN, ml, 0.0)
        elif name in missed:
            scores = CaseScores(name, 0.0, NAN, 0.0, NAN, NAN, 0.0, 1.0 + number)
        else:
            scores = CaseScores(name, dsc, dsc, dsc, 2 - dsc, 4 - dsc, 1.0, 1.0 + number)
        rows.append(TestScores(scores, 1, NAN))
    return TumourRecord(entry, seed, fold, tuple(rows), took(len(rows)))


def tumour_records(entries=TABLE_1, seeds=2, missed=()):
    return [tumour_record(entry.name, DSC[entry.name], seed, missed=missed)
            for seed in range(seeds) for entry in entries]  # fmt: skip


def tumour_summary(entries=TABLE_1, seeds=2, missed=()):
    return summarise_tumours(tumour_records(entries, seeds, missed), entries, PATIENTS, 0)


def map_records(right=(40, 50, 60)):
    """Two classes of 100 voxels in each of three cases; `right` of each class are."""
    return [
        MapRecord(entry.name, 0, 0, tuple(
            MapRow(name, np.array([[0, n + i, 100 - n - i], [0, 100 - n, n]]))
            for i, name in enumerate(NAMES[:3])
        ), took(3))
        for entry, n in zip(MAPS, right, strict=True)
    ]  # fmt: skip


def map_summary(entries=MAPS):
    return summarise_maps(map_records(), entries, PATIENTS, 0)
