"""Verifying bundles: whole ones pass, and every kind of damage is told."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from hcnet.errors import BundleError
from hcnet.inference.bundle import open_bundle
from hcnet.inference.verify import verify_bundle
from hcnet.nets.registry import count_parameters
from tiny_ensemble import ensemble


@pytest.fixture
def bundle(tiny_run, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_run / "bundle", copy)
    return copy


def test_a_whole_bundle(bundle, tmp_path):
    _, networks = ensemble(bundle, tmp_path / "two", 2)
    found = verify_bundle(open_bundle(tmp_path / "two"))
    assert found.members == 2
    assert found.parameters == sum(count_parameters(net) for pair in networks for net in pair)


def test_a_shared_hipm_counts_once(bundle, tmp_path):
    _, [(hipm, kis), (_, other)] = ensemble(bundle, tmp_path / "two", 2, one_hipm=True)
    found = verify_bundle(open_bundle(tmp_path / "two"))
    assert found.parameters == sum(map(count_parameters, (hipm, kis, other)))


def test_altered_weights(bundle):
    opened = open_bundle(bundle)
    weights = bundle / opened.info.kis.files[0].file
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match="altered or damaged"):
        verify_bundle(opened)


def test_stages_of_different_bundles(bundle):
    path = bundle / "bundle.json"
    told = json.loads(path.read_text())
    told["hipm"]["out_channels"] += 1
    path.write_text(json.dumps(told))
    with pytest.raises(BundleError, match="stage 1 has 3 classes, but HIPM predicts 4"):
        verify_bundle(open_bundle(bundle))


def test_weights_that_are_not_numbers(bundle, monkeypatch):
    opened = open_bundle(bundle)
    hipm, kis = opened.member(0)
    with torch.no_grad():
        next(kis.parameters()).fill_(torch.nan)
    monkeypatch.setattr(type(opened), "member", lambda self, number: (hipm, kis))
    with pytest.raises(BundleError, match="member 0 gives no finite probabilities"):
        verify_bundle(replace(opened))
