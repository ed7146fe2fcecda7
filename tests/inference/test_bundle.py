"""Bundles: complete, unaltered, and never trusted before that."""

import json
import shutil

import pytest
import torch

from hcnet.errors import BundleError
from hcnet.inference.bundle import open_bundle


@pytest.fixture
def bundle(tiny_run, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_run / "bundle", copy)
    return copy


def edited(bundle, **changes):
    path = bundle / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return bundle


def test_folder_and_zip_are_the_same(bundle, tmp_path):
    whole = shutil.make_archive(str(tmp_path / "flat"), "zip", bundle)
    nested = shutil.make_archive(str(tmp_path / "nested"), "zip", tmp_path, "bundle")
    first = open_bundle(bundle)
    for path in (whole, nested):
        other = open_bundle(type(bundle)(path))
        assert other.info == first.info
        assert other.digest() == first.digest()
        for a, b in zip(first.networks(), other.networks(), strict=True):
            assert all(
                torch.equal(x, y)
                for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
            )


@pytest.mark.parametrize("name", ["hipm.safetensors", "kis.safetensors", "codebook.json"])
def test_altered_files_are_refused(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[-2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} was altered"):
        open_bundle(bundle).networks()


@pytest.mark.parametrize("name", ["bundle.json", "kis.safetensors", "vqvae.safetensors"])
def test_incomplete_bundles_are_refused(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"has no {name}"):
        open_bundle(bundle).networks()


def test_other_schema_versions_and_unknown_fields_are_refused(bundle):
    with pytest.raises(BundleError, match="schema_version"):
        open_bundle(edited(bundle, schema_version=2))
    with pytest.raises(BundleError, match="surprise"):
        open_bundle(edited(bundle, schema_version=1, surprise=True))


def test_files_outside_the_bundle_cannot_be_named(bundle):
    info = json.loads((bundle / "bundle.json").read_text())
    with pytest.raises(BundleError, match="file"):
        open_bundle(edited(bundle, hipm=info["hipm"] | {"file": "../secret.safetensors"}))


def test_weights_of_another_network_are_refused(bundle):
    info = json.loads((bundle / "bundle.json").read_text())
    info["hipm"]["network"]["options"]["hidden"] = 16
    with pytest.raises(BundleError, match="does not fit"):
        open_bundle(edited(bundle, hipm=info["hipm"])).networks()


def test_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        open_bundle(tmp_path / "absent")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(BundleError, match="is not a bundle"):
        open_bundle(tmp_path / "text.zip")
