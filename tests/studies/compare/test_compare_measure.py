"""Measuring a few steps: in a process of its own, once for each device."""

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.settings import NetworkSettings
from hcnet.studies.compare import measure as measure_module
from hcnet.studies.compare.estimate import clock
from hcnet.studies.compare.measure import Spec, measure, measured, windows
from mini_compare import compare_config


def spec(name, options, channels=1, guide=None, guide_channels=0, task="tumour", classes=1):
    network = NetworkSettings(name=name, options=options)
    return Spec(network, task, channels, guide, guide_channels, classes, compare_config())


def test_measured_in_another_process_and_read_the_next_time(tmp_path, monkeypatch):
    what = spec("mhl", {"width": 2}, 2)
    file = tmp_path / "measured.json"
    first = measured(what, file)
    assert first.step_s > 0
    assert first.window_s > 0
    assert first.training_mb > 100
    monkeypatch.setattr(measure_module, "ProcessPoolExecutor", None)
    assert measured(what, file) == first


def test_another_device_is_measured_anew(tmp_path):
    what = spec("mhl", {"width": 2}, 2)
    file = tmp_path / "measured.json"
    stored = {"flops": 1, "step_s": 1e9, "window_s": 1e9, "training_mb": 1, "device": "abacus"}
    file.write_text(json.dumps(stored))
    assert measured(what, file).step_s < 1e6


@pytest.mark.parametrize(
    "what",
    [
        spec("kisnet", {"width": 2, "embedding": 2}, 1, "maps", 4),
        spec("zhang", {"width": 2, "dim": 4, "layers": 1, "heads": 2, "mlp": 4}, 3, "phases", 3),
        spec("vnet", {"width": 2}, 1, task="map", classes=4),
    ],
    ids=lambda what: what.network.name,
)
def test_every_kind_of_network_can_be_measured(what):
    assert measure(what).flops > 0


@given(
    st.tuples(*[st.integers(1, 60)] * 3),
    st.tuples(*[st.integers(1, 30)] * 3),
    st.sampled_from([0.0, 0.25, 0.5]),
)
def test_windows_are_as_many_as_monai_takes(shape, patch, overlap):
    from monai.data.utils import dense_patch_slices
    from monai.inferers.utils import _get_scan_interval

    size = tuple(max(n, p) for n, p in zip(shape, patch, strict=True))  # volumes are padded
    interval = _get_scan_interval(size, patch, 3, [overlap] * 3)
    assert windows(shape, patch, overlap) == len(dense_patch_slices(size, patch, interval))


def test_one_window_holds_a_small_volume():
    for shape in product((1, 16), repeat=3):
        assert windows(shape, (16, 16, 16), 0.5) == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (61, "1 min"), (3599, "1 h 00 min"), (7260, "2 h 01 min")]
)
def test_durations(seconds, text):
    assert clock(seconds) == text
