"""Bundles that come with the package."""

import pytest

from hcnet.errors import BundleError
from hcnet.inference import built_in
from hcnet.inference.built_in import DEFAULT, built_in_bundles, find_bundle
from hcnet.inference.bundle import open_bundle
from hcnet.inference.verify import verify_bundle

LARGEST_BYTES = 20_000_000


def test_the_default_comes_with_the_package():
    assert find_bundle(DEFAULT) == built_in_bundles()[DEFAULT]


@pytest.mark.parametrize("name", built_in_bundles())
def test_a_bundle_that_comes_with_the_package_is_whole(name):
    folder = find_bundle(name)
    opened = open_bundle(folder)
    assert opened.info.name == name
    assert verify_bundle(opened).members == opened.members
    assert (folder / "MODEL_CARD.md").is_file()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST_BYTES
    assert opened.info.licence


def test_a_path_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT).mkdir()
    assert find_bundle(DEFAULT).resolve() == (tmp_path / DEFAULT).resolve()


def test_a_bundle_that_is_nowhere(monkeypatch):
    with pytest.raises(BundleError, match="did you mean ispy1-small"):
        find_bundle("ispy1-smal")
    monkeypatch.setattr(built_in, "_FOLDER", "nowhere")
    with pytest.raises(BundleError, match="there are: none"):
        find_bundle(DEFAULT)
