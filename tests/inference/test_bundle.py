"""Bundles: complete, unaltered, and never trusted before that."""

import hashlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load, save

from hcnet.errors import BundleError
from hcnet.inference import bundle as bundle_module
from hcnet.inference.bundle import StoredNetwork, WeightsFile, open_bundle, rounded, write_bundle
from hcnet.settings import NetworkSettings
from network_cases import CHANNELS, SMALL, network_inputs, small_network
from tiny_ensemble import ensemble


@pytest.fixture
def bundle(tiny_run, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_run / "bundle", copy)
    return copy


def edited(bundle, replace=False, **changes):
    path = bundle / "bundle.json"
    path.write_text(json.dumps(changes if replace else json.loads(path.read_text()) | changes))
    return bundle


def test_folder_and_zip_are_the_same(bundle, tmp_path):
    whole = shutil.make_archive(str(tmp_path / "flat"), "zip", bundle)
    nested = shutil.make_archive(str(tmp_path / "nested"), "zip", tmp_path, "bundle")
    first = open_bundle(bundle)
    for path in (whole, nested):
        other = open_bundle(type(bundle)(path))
        assert other.info == first.info
        assert other.digest() == first.digest()
        for a, b in zip(first.member(0), other.member(0), strict=True):
            assert same_weights(a, b)


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", list(SMALL))
def test_every_network_is_read_as_it_was_written(name, tmp_path):
    """Its weights take the place of such without data, where it must not have left anything."""
    network = small_network(name).eval()
    content = save(network.state_dict())
    (tmp_path / "hipm-0.safetensors").write_bytes(content)
    given = network_inputs(name, (32, 32, 32), batch=1)
    stored = StoredNetwork(
        network=NetworkSettings(name=name, options=SMALL[name]),
        patch=(32, 32, 32),
        files=(WeightsFile(file="hipm-0.safetensors", sha256=hashlib.sha256(content).hexdigest()),),
        in_channels=CHANNELS.get(name, 1),
        out_channels=1,
    )
    read = bundle_module._network(tmp_path, stored, 0)
    assert not read.training
    with torch.inference_mode():
        torch.testing.assert_close(read(*given), network(*given))


def test_weights_of_another_type_become_the_networks_own(bundle):
    """Nothing that a file says makes a network compute in whole numbers."""
    info = json.loads((bundle / "bundle.json").read_text())
    file = bundle / "kis-0.safetensors"
    tensors = {name: tensor.long() for name, tensor in load(file.read_bytes()).items()}
    file.write_bytes(save(tensors))
    info["kis"]["files"][0]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    kis = open_bundle(edited(bundle, kis=info["kis"])).kis(0)
    assert {weight.dtype for weight in kis.parameters()} == {torch.float32}


def test_an_ensemble_keeps_its_members_apart_and_in_order(bundle, tmp_path):
    _, networks = ensemble(bundle, tmp_path / "three", 3)
    opened = open_bundle(tmp_path / "three")
    assert opened.members == len(opened.networks()) == 3
    for given, stored in zip(networks, opened.networks(), strict=True):
        assert all(same_weights(a, b) for a, b in zip(given, stored, strict=True))
    assert not same_weights(opened.member(0)[0], opened.member(1)[0])
    (tmp_path / "three" / "kis-2.safetensors").unlink()
    opened.member(1)
    with pytest.raises(BundleError, match=r"has no kis-2\.safetensors"):
        opened.member(2)


def test_one_hipm_can_serve_all_members(bundle, tmp_path):
    _, networks = ensemble(bundle, tmp_path / "three", 3, one_hipm=True)
    opened = open_bundle(tmp_path / "three")
    assert opened.shares_hipm
    assert opened.members == 3
    assert not open_bundle(bundle).shares_hipm
    assert len(list((tmp_path / "three").glob("hipm-*"))) == 1
    for (_, given), (hipm, kis) in zip(networks, opened.networks(), strict=True):
        assert same_weights(hipm, networks[0][0])
        assert same_weights(kis, given)


def test_half_precision_halves_the_files_and_tells_what_comes_back(bundle, tmp_path):
    _, [networks] = ensemble(bundle, tmp_path / "half", 1, weights="float16")
    opened = open_bundle(tmp_path / "half")
    assert opened.info.weights == "float16"
    for key, given, stored in zip(("hipm", "kis"), networks, opened.member(0), strict=True):
        assert {t.dtype for t in stored.parameters()} == {torch.float32}
        assert same_weights(stored, rounded(given, "float16"))
        assert not same_weights(stored, given)
        sizes = [(f / f"{key}-0.safetensors").stat().st_size for f in (tmp_path / "half", bundle)]
        assert sizes[0] < 0.75 * sizes[1]  # headers are half of these tiny files
    with torch.no_grad():
        next(networks[1].parameters()).fill_(1e6)
    with pytest.raises(BundleError, match="do not fit float16"):
        rounded(networks[1], "float16")


def test_networks_that_do_not_pair_up_are_not_written(bundle, tmp_path):
    opened = open_bundle(bundle)
    hipm, kis = opened.member(0)
    for pair in (([hipm], []), ([], []), ([hipm, hipm], [kis]), ([hipm, hipm], [kis] * 3)):
        with pytest.raises(BundleError, match="one HIPM or as many as KIS-Nets"):
            write_bundle(
                tmp_path / "odd",
                hipm=pair[0],
                kis=pair[1],
                hipm_network={},
                kis_network={},
                clustering=opened.clustering,
            )
    assert not (tmp_path / "odd" / "bundle.json").exists()


def as_schema_1(bundle):
    """The bundle in the form that was written before there were ensembles."""
    info = json.loads((bundle / "bundle.json").read_text())
    for key in ("hipm", "kis"):
        [weights] = info[key].pop("files")
        (bundle / weights["file"]).rename(bundle / f"{key}.safetensors")
        info[key] |= {"file": f"{key}.safetensors", "sha256": weights["sha256"]}
    for key in ("weights", "calibration", "input_statistics"):
        info.pop(key)
    return edited(bundle, **info | {"schema_version": 1}, replace=True)


def test_schema_1_is_an_ensemble_of_one(bundle):
    now = open_bundle(bundle)
    networks = now.member(0)
    before = open_bundle(as_schema_1(bundle))
    assert before.members == 1
    assert all(same_weights(a, b) for a, b in zip(networks, before.member(0), strict=True))
    changed = {"hipm": before.info.hipm, "kis": before.info.kis}
    assert before.info == now.info.model_copy(update=changed)


@pytest.mark.parametrize("name", ["hipm-0.safetensors", "kis-0.safetensors", "codebook.json"])
def test_altered_files_are_refused(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[-2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} was altered"):
        open_bundle(bundle).networks()


@pytest.mark.parametrize("name", ["bundle.json", "kis-0.safetensors", "vqvae.safetensors"])
def test_incomplete_bundles_are_refused(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"has no {name}"):
        open_bundle(bundle).networks()


def test_other_schema_versions_and_unknown_fields_are_refused(bundle):
    with pytest.raises(BundleError, match="schema_version"):
        open_bundle(edited(bundle, schema_version=3))
    with pytest.raises(BundleError, match="surprise"):
        open_bundle(edited(bundle, schema_version=2, surprise=True))


def test_files_outside_the_bundle_cannot_be_named(bundle):
    info = json.loads((bundle / "bundle.json").read_text())
    [weights] = info["hipm"].pop("files")
    for name in ("../secret.safetensors", "hipm-0.safetensors\n", "/hipm.safetensors"):
        files = [weights | {"file": name}]
        with pytest.raises(BundleError, match="file"):
            open_bundle(edited(bundle, hipm=info["hipm"] | {"files": files}))
        old = info["hipm"] | files[0]  # as schema 1 has it
        with pytest.raises(BundleError, match="file"):
            open_bundle(edited(bundle, hipm=old, schema_version=1))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([], "at least 1"),
        ([0, 1], "neither one file nor as many"),
        ([0] * 65, "at most 64"),
    ],
)
def test_members_that_do_not_add_up_are_refused(bundle, numbers, why):
    hipm = json.loads((bundle / "bundle.json").read_text())["hipm"]
    [weights] = hipm["files"]
    files = [weights | {"file": f"hipm-{number}.safetensors"} for number in numbers]
    with pytest.raises(BundleError, match=why):
        open_bundle(edited(bundle, hipm=hipm | {"files": files}))


def test_members_cannot_share_weights(bundle):
    info = json.loads((bundle / "bundle.json").read_text())
    twice = {key: info[key] | {"files": 2 * info[key]["files"]} for key in ("hipm", "kis")}
    with pytest.raises(BundleError, match="named twice"):
        open_bundle(edited(bundle, **twice))
    swapped = info["hipm"] | {"files": info["kis"]["files"]}
    with pytest.raises(BundleError, match="not its own"):
        open_bundle(edited(bundle, hipm=swapped, kis=info["kis"]))


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
