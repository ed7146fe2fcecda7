"""Stage 1 as a training task, and its appetite for memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hcnet.kinetics.alternatives import fit_alternative
from hcnet.kinetics.settings import KineticsConfig
from hcnet.training.stage_kinetics import (
    ClusteringTask,
    CurveSource,
    cluster_cohort,
    fit_clustering,
    judge_clustering,
    training_sample,
)

CLOCK = np.array([0.0, 120.0, 400.0])
CONFIG = KineticsConfig(k=3, epochs=12, batch_size=256, lr_halve_every=6, scale="relative")


def source(name="a", size=12, seed=0):
    """A breast of three slabs: no enhancement, persistent, wash-out."""
    rng = np.random.default_rng(seed)
    gain = np.zeros((3, size, size, size), np.float32)
    third = size // 3
    gain[:, third : 2 * third] = np.array([0, 0.5, 1.0])[:, None, None, None]
    gain[:, 2 * third :] = np.array([0, 2.0, 1.2])[:, None, None, None]
    phases = 100 * (1 + gain) + rng.normal(0, 1, gain.shape)
    breast = np.ones((size, size, size), np.uint8)
    breast[:, 0] = 0
    tumour = np.zeros_like(breast)
    tumour[2 * third :] = 1
    return CurveSource(name, phases.astype(np.float32), breast, CLOCK, tumour)


def test_finds_the_three_kinds_and_sorts_them(tmp_path):
    case = source()
    clustering = fit_clustering([case], CONFIG, 0, tmp_path)
    labels = clustering.map_case(case.phases, case.breast, case.clock)
    inside = labels[:, 1:]
    for kind, slab in enumerate((inside[:4], inside[4:8], inside[8:]), start=1):
        assert (slab == kind).mean() > 0.99
    assert not labels[:, 0].any()
    report = judge_clustering(clustering, [case], CONFIG, 0)
    tvr = report.composition.tvr()
    assert tvr == pytest.approx((1.0, 1.0), abs=0.01)
    assert report.tic.sse < 1.2 * report.kmeans.sse
    assert report.tic.points == int(case.breast.sum())


def test_reading_once_gives_what_reading_again_and_again_gives(tmp_path):
    cases = [source("a"), source("b", size=9, seed=1)]
    config = CONFIG.model_copy(update={"epochs": 3})
    maps = {}
    clustering, report = cluster_cohort(
        cases, config, 0, tmp_path / "once", lambda case, labels: maps.update({case.name: labels})
    )
    apart = fit_clustering(cases, config, 0, tmp_path / "apart")
    np.testing.assert_array_equal(clustering.vectors, apart.vectors)
    for case in cases:
        expected = apart.map_case(case.phases, case.breast, case.clock)
        np.testing.assert_array_equal(maps[case.name], expected)
    assert report.as_json() == judge_clustering(apart, cases, config, 0).as_json()
    again, _ = cluster_cohort(cases, config, 0, tmp_path, lambda *_: None, fitted=clustering)
    assert again is clustering


def test_an_alternative_is_judged_without_latents():
    case = source()
    sample = training_sample([case], CLOCK, 1000, seed=0)
    alternative = fit_alternative("gmm", sample, CONFIG, CLOCK, 0)
    report = judge_clustering(alternative, [case], CONFIG, 0)
    assert report.as_json()["latent"] is None
    assert report.composition.tvr() == pytest.approx((1.0, 1.0), abs=0.01)
    assert report.tic.sse < 1.2 * report.kmeans.sse


def test_batches_depend_on_the_step_alone():
    curves = torch.randn(1000, 3)
    task = ClusteringTask(curves, CONFIG, seed=0)
    whole = list(task.batches(0))
    assert len(whole) == CONFIG.epochs * task.steps_per_epoch
    rest = list(task.batches(6))
    for a, b in zip(whole[6:], rest, strict=True):
        assert torch.equal(a, b)
    first_epoch = torch.cat(whole[: task.steps_per_epoch])
    assert torch.equal(first_epoch.sort(0).values, curves.sort(0).values)


def test_learning_rate_is_halved_as_in_the_paper():
    task = ClusteringTask(torch.randn(10, 3), KineticsConfig(), seed=0)
    assert [task.lr(e) for e in (0, 49.9, 50, 299)] == [0.005, 0.005, 0.0025, 0.005 / 32]


def test_the_sample_is_even_over_cases():
    large, small = source("large"), source("small", size=6, seed=1)
    sample = training_sample([large, small], CLOCK, 200, seed=0)
    assert sample.shape == (200, 3)
    again = training_sample([large, small], CLOCK, 200, seed=0)
    np.testing.assert_array_equal(sample, again)


BIG = """
import sys
from pathlib import Path
import numpy as np
from hcnet.kinetics.settings import KineticsConfig
from hcnet.runtime import peak_memory_mb, tune_allocator
from hcnet.training.stage_kinetics import CurveSource, fit_clustering, judge_clustering
folder = Path(sys.argv[1])
tune_allocator()
phases = np.load(folder / "phases.npy", mmap_mode="r")
case = CurveSource("big", phases, np.ones(phases.shape[1:], np.uint8),
                   np.arange(6) * 90.0, np.zeros(phases.shape[1:], np.uint8))
config = KineticsConfig(epochs=2, max_points=1_000_000)
clustering = fit_clustering([case], config, 0, folder)
labels = clustering.map_case(case.phases, case.breast, case.clock)
report = judge_clustering(clustering, [case], config, 0)
assert report.tic.points == labels.size
print(labels.size, peak_memory_mb())
"""


@pytest.mark.slow
def test_ten_million_curves_need_less_than_two_gigabytes(tmp_path):
    shape = (6, 216, 216, 216)
    phases = np.lib.format.open_memmap(tmp_path / "phases.npy", "w+", np.float32, shape)
    rng = np.random.default_rng(0)
    for phase in phases:
        phase[:] = 100 + 20 * rng.random(shape[1:], np.float32)
    phases.flush()
    del phases
    script = tmp_path / "big.py"
    script.write_text(BIG)
    result = subprocess.run(
        [sys.executable, script, Path(tmp_path)], capture_output=True, text=True, check=True
    )
    voxels, peak = map(int, result.stdout.split())
    assert voxels > 10_000_000
    assert peak < 2000
