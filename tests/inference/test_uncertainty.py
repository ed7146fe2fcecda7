"""Many passes: their mean, their disagreement, and probabilities that were calibrated."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from hcnet.cohorts.case import ArraySource, Case
from hcnet.errors import ConfigError
from hcnet.inference.bundle import Bundle, open_bundle, write_bundle
from hcnet.inference.calibration import Calibration
from hcnet.inference.device import make_device
from hcnet.inference.ensemble import OneBar, RunningMean, entropy_bits
from hcnet.inference.output import segment_to_folder
from hcnet.inference.segment import segment
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume
from tiny_ensemble import ensemble


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return open_bundle(tiny_run / "bundle")


@pytest.fixture(scope="module")
def pair(tiny_run, tmp_path_factory):
    """An ensemble of two; the first member is that of the tiny run."""
    return ensemble(tiny_run / "bundle", tmp_path_factory.mktemp("bundles") / "pair", 2)[0]


@pytest.fixture(scope="module")
def device():
    return make_device("32-true")


@pytest.fixture(scope="module")
def case():
    """A small exam of the voxel size that the tiny run prepares for, so that nothing is resampled
    and one window sees it all."""
    rng = np.random.default_rng(0)
    shape = (24, 22, 20)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    breast = sum(axis**2 for axis in axes) < 0.9
    image = np.where(breast, rng.normal(300, 60, shape), 20).astype(np.float32)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    return Case(
        "small",
        (ArraySource(Volume(image, affine)),),
        breast=ArraySource(Volume(breast.astype(np.uint8), affine)),
    )


@pytest.fixture(scope="module")
def single(case, bundle, device):
    return segment(case, bundle, device)


def test_entropy_is_that_of_a_coin():
    bits = entropy_bits(np.array([0, 0.5, 1, 0.25, 0.75], np.float32))
    quarter = 2 - 0.75 * np.log2(3)
    np.testing.assert_allclose(bits, [0, 1, 0, quarter, quarter], atol=1e-6)


def test_the_running_mean_is_the_mean_and_of_one_it_is_that_one():
    values = torch.rand(5, 3, 4)
    mean = RunningMean()
    mean.add(values[0].clone())
    assert torch.equal(mean.mean, values[0])
    for more in values[1:]:
        mean.add(more)
    torch.testing.assert_close(mean.mean, values.mean(0))


def test_calibration_is_a_line_through_the_logits():
    p = np.array([0.0, 0.01, 0.3, 0.5, 0.99, 1.0], np.float32)
    found = Calibration(temperature=2, offset=-1).of(p)
    np.testing.assert_allclose(found[1:5], expit(logit(p[1:5]) / 2 - 1), rtol=1e-5)
    assert (np.diff(found) > 0).all()
    assert np.isfinite(Calibration(temperature=1e-300, offset=0).of(p)).all()
    np.testing.assert_allclose(Calibration(temperature=1, offset=0).of(p), p, atol=2e-7)


def test_the_probability_of_an_ensemble_is_the_mean_of_its_members(case, pair, device, single):
    first = segment(case, pair, device, members=1)
    np.testing.assert_array_equal(first.probability.data, single.probability.data)
    np.testing.assert_array_equal(first.class_probabilities, single.class_probabilities)
    assert first.disagreement is None
    assert len(first.member_ml) == 1
    swapped = pair.info.model_copy(
        update={
            key: getattr(pair.info, key).model_copy(
                update={"files": getattr(pair.info, key).files[::-1]}
            )
            for key in ("hipm", "kis")
        }
    )
    second = segment(case, type(pair)(pair.path, swapped, pair.clustering), device, members=1)
    both = segment(case, pair, device)
    mean = (first.probability.data + second.probability.data) / 2
    np.testing.assert_allclose(both.probability.data, mean, atol=1e-6)
    np.testing.assert_allclose(
        both.class_probabilities,
        (first.class_probabilities + second.class_probabilities) / 2,
        atol=1e-6,
    )
    assert both.member_ml == (*first.member_ml, *second.member_ml)
    inside = both.breast.data > 0
    np.testing.assert_allclose(both.uncertainty.data[inside], entropy_bits(mean)[inside], atol=1e-5)
    disagreement = both.disagreement.data
    assert disagreement.max() > 0
    assert disagreement.min() >= 0
    assert not disagreement[~inside].any()
    assert not both.uncertainty.data[~inside].any()
    assert (disagreement <= both.uncertainty.data + 1e-6).all()  # a part of it


@pytest.mark.parametrize("tta", [False, True])
def test_one_hipm_for_all_predicts_as_copies_of_it_do(
    case, tiny_run, tmp_path, device, tta, monkeypatch
):
    shared, networks = ensemble(tiny_run / "bundle", tmp_path / "shared", 2, one_hipm=True)
    copies = write_bundle(
        tmp_path / "copies",
        hipm=[networks[0][0]] * 2,
        kis=[kis for _, kis in networks],
        hipm_network=shared.info.hipm.model_dump(exclude={"files"}),
        kis_network=shared.info.kis.model_dump(exclude={"files"}),
        clustering=shared.clustering,
        **shared.info.model_dump(
            exclude={"schema_version", "weights", "clustering", "hipm", "kis"}
        ),
    )
    listener, loaded, load = Listener(), [], Bundle.hipm
    monkeypatch.setattr(Bundle, "hipm", lambda *its: loaded.append(its[1]) or load(*its))
    one = segment(case, shared, device, tta=tta, progress=listener)
    assert loaded == [0]
    other = segment(case, copies, device, tta=tta)
    assert loaded == [0, 0, 1]
    np.testing.assert_array_equal(one.probability.data, other.probability.data)
    np.testing.assert_array_equal(one.class_probabilities, other.class_probabilities)
    np.testing.assert_array_equal(one.disagreement.data, other.disagreement.data)
    assert one.member_ml == other.member_ml
    [[_, windows, _, _]] = listener.bars
    assert windows == 3 * (4 if tta else 1)  # of one image: a map and two tumours


def test_an_ensemble_predicts_without_torchs_compiler(tiny_run, tmp_path):
    """65 MB and two seconds, of which nothing is needed where windows are as large as patches."""
    ensemble(tiny_run / "bundle", tmp_path / "two", 2, one_hipm=True)
    words = """
import sys
from pathlib import Path
import numpy as np
from hcnet.cohorts.case import ArraySource, Case
from hcnet.inference.bundle import open_bundle
from hcnet.inference.device import make_device
from hcnet.inference.segment import segment
from hcnet.volumes.volume import Volume
x, y, z = np.meshgrid(*[np.linspace(-1, 1, 20)] * 3, indexing="ij")
breast = Volume((x**2 + y**2 + z**2 < 0.8).astype(np.uint8), np.diag([3.0, 3.0, 3.0, 1.0]))
image = breast.with_data((100 * breast.data + 20 * (x + 1)).astype(np.float32))
case = Case("ball", (ArraySource(image),), breast=ArraySource(breast))
segment(case, open_bundle(Path(sys.argv[1])), make_device("32-true"))
print("torch._dynamo" in sys.modules)
"""
    command = [sys.executable, "-c", words, str(tmp_path / "two")]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert told.stdout == "False\n"


def test_mirror_images_of_an_exam_are_predicted_alike_with_flips(case, bundle, device, single):
    here = segment(case, bundle, device, tta=True)
    assert np.abs(here.probability.data - single.probability.data).max() > 0
    assert len(here.member_ml) == 1
    pre, breast = case.pre.load(), case.breast.load()
    # A mirror: the array turned over, the affine left as it is.
    mirrored = Case(
        "mirrored",
        (ArraySource(pre.with_data(pre.data[::-1])),),
        breast=ArraySource(breast.with_data(breast.data[::-1])),
    )
    there = segment(mirrored, bundle, device, tta=True)
    for name in ("probability", "uncertainty", "disagreement"):
        one, other = getattr(here, name).data, getattr(there, name).data
        np.testing.assert_allclose(other[::-1], one, atol=1e-5)


def test_the_threshold_acts_on_the_calibrated_probability(case, bundle, device, single):
    calibration = Calibration(temperature=2, offset=-0.5)
    info = bundle.info.model_copy(update={"calibration": calibration})
    calibrated = type(bundle)(bundle.path, info, bundle.clustering)
    probability = single.probability.data
    inside = single.breast.data > 0
    threshold = float(np.median(calibration.of(probability[inside])))
    found = segment(case, calibrated, device, threshold=threshold)
    expected = np.where(inside, calibration.of(probability), 0)
    np.testing.assert_allclose(found.probability.data, expected, atol=1e-6)
    np.testing.assert_array_equal(found.tumour.data > 0, inside & (expected >= threshold))


def test_files_and_numbers_of_many_passes(case, pair, single, tmp_path):
    threshold = float(np.median(single.probability.data[single.breast.data > 0]))
    summary = segment_to_folder(case, pair, tmp_path, threshold=threshold)
    pre = case.pre.load()
    for name in ("tumour_uncertainty", "tumour_disagreement"):
        volume = read_nifti(tmp_path / f"{name}.nii.gz")
        assert volume.grid.difference(pre.grid) is None
        assert volume.data.dtype == np.float32
        assert 0 <= volume.data.min() <= volume.data.max() <= 1
    told = summary["uncertainty"]
    assert 0 <= told["volume_ml_low"] < told["volume_ml_high"]
    assert "2 members" in told["what"]
    settings = json.loads((tmp_path / "manifest.json").read_text())["settings"]
    assert (settings["members"], settings["tta"], settings["calibration"]) == (2, False, None)


def test_more_members_than_there_are_cannot_be_asked_for(case, pair, device):
    with pytest.raises(ConfigError, match="has 2 members and 3 were asked for"):
        segment(case, pair, device, members=3)
    with pytest.raises(ConfigError, match="at least one"):
        segment(case, pair, device, members=0)


class Listener:
    """Notes what it is told."""

    def __init__(self):
        self.bars = []

    def track(self, items, description, total=None):
        self.bars.append([description, total, 0])
        for item in items:
            self.bars[-1][2] += 1
            yield item
        self.bars[-1].append("ended")

    def message(self, text):
        raise AssertionError(text)


def test_all_passes_are_one_bar_that_ends_full(case, pair, device):
    listener = Listener()
    segment(case, pair, device, progress=listener)
    [[description, total, done, ended]] = listener.bars
    assert description == f"{case.name}, 2 passes"
    assert (done, ended) == (total, "ended")


def test_a_bar_that_was_told_too_few_windows_does_not_stop_the_work():
    listener = Listener()
    bar = OneBar(listener, "passes", 3)
    assert list(bar.track(range(5), "windows")) == [0, 1, 2, 3, 4]
    bar.end()
    assert listener.bars == [["passes", 3, 3, "ended"]]
