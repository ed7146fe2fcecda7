"""Segmenting: on the input's own grid, whatever its orientation, and without contrast."""

import json
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from hcnet.cohorts.case import ArraySource, Case
from hcnet.cohorts.open import open_case
from hcnet.errors import GeometryError, InputError
from hcnet.inference.bundle import open_bundle
from hcnet.inference.device import make_device
from hcnet.inference.output import segment_to_folder
from hcnet.inference.segment import segment
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Volume, to_canonical

NAMES = ("pre", "tumour", "tumour_probability", "heterogeneity", "breast")


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return open_bundle(tiny_run / "bundle")


@pytest.fixture(scope="module")
def device():
    return make_device("32-true")


def test_files_lie_on_the_input_grid(tiny_cohort, bundle, tmp_path):
    case = tiny_cohort.cases[0]
    summary = segment_to_folder(case, bundle, tmp_path, threshold=0.0)
    pre = case.pre.load()
    for name in NAMES:
        volume = read_nifti(tmp_path / f"{name}.nii.gz")
        assert volume.grid.difference(pre.grid) is None
    breast = read_nifti(tmp_path / "breast.nii.gz").data > 0
    tumour = read_nifti(tmp_path / "tumour.nii.gz").data > 0
    labels = read_nifti(tmp_path / "heterogeneity.nii.gz").data
    np.testing.assert_array_equal(tumour, breast)  # threshold 0: all of the breast, nothing else
    np.testing.assert_array_equal(labels > 0, breast)
    shares = nib.load(tmp_path / "class_probabilities.nii.gz").get_fdata()
    assert shares.shape == (*pre.shape, 3)
    chosen = np.take_along_axis(shares, labels[..., None].astype(int) - 1, -1)[..., 0]
    # Shares are stored in steps of 1/255, so near ties may look alike.
    assert (shares.max(-1) - chosen)[breast].max() <= 1.01 / 255
    assert summary["tumour_ml"] == pytest.approx(tumour.sum() * pre.grid.voxel_ml)
    assert sum(c["volume_ml"] for c in summary["components"]) == pytest.approx(summary["tumour_ml"])
    assert sum(c["tumour_share"] for c in summary["classes"]) == pytest.approx(1)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["input"]["sha256"] == case.pre.digest()
    assert manifest["bundle"]["sha256"] == bundle.digest()


def test_exact_computes_in_float32_whatever_the_processor_likes(
    tiny_cohort, bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr("hcnet.inference.device.best_precision", lambda: "bf16-mixed")
    found = {}
    for name, exact in (("fast", False), ("exact", True)):
        folder = tmp_path / name
        segment_to_folder(tiny_cohort.cases[0], bundle, folder, exact=exact)
        settings = json.loads((folder / "manifest.json").read_text())["settings"]
        found[settings["precision"]] = read_nifti(folder / "tumour_probability.nii.gz").data
    assert set(found) == {"bf16-mixed", "32-true"}
    expected = segment(tiny_cohort.cases[0], bundle, make_device("32-true")).probability.data
    np.testing.assert_array_equal(found["32-true"], expected)
    assert not np.array_equal(found["bf16-mixed"], expected)


def test_no_post_contrast_image_is_read(tiny_cohort, bundle, tmp_path):
    source = tiny_cohort.root / "images" / tiny_cohort.cases[0].name
    intact, damaged = tmp_path / "intact", tmp_path / "damaged"
    shutil.copytree(source, intact)
    shutil.copytree(source, damaged)
    posts = sorted(damaged.iterdir())[1:]
    assert posts
    for post in posts:
        content = post.read_bytes()
        post.write_bytes(content[: len(content) // 2])  # the header is there, the image is not
    for folder in (intact, damaged):
        segment_to_folder(open_case(folder), bundle, tmp_path / f"out-{folder.name}")
    for name in ("tumour_probability", "heterogeneity"):
        a, b = (read_nifti(tmp_path / f"out-{f}" / f"{name}.nii.gz") for f in ("intact", "damaged"))
        np.testing.assert_array_equal(a.data, b.data)
    with pytest.raises(InputError):
        open_case(damaged).phases[1].load()


@pytest.mark.parametrize(
    ("order", "flips"),
    [((2, 0, 1), (1, -1, -1)), ((1, 2, 0), (-1, -1, 1)), ((0, 1, 2), (-1, 1, 1))],
)
def test_the_orientation_of_the_file_does_not_matter(tiny_cohort, bundle, device, order, flips):
    volume = to_canonical(tiny_cohort.cases[0].pre.load())
    turned = nib.Nifti1Image(volume.data, volume.affine).as_reoriented(
        np.array(list(zip(order, flips, strict=True)), float)
    )
    other = Volume(np.asarray(turned.dataobj), turned.affine)
    results = [segment(Case("c", (ArraySource(v),)), bundle, device) for v in (volume, other)]
    assert results[1].probability.grid.difference(other.grid) is None
    a, b = (to_canonical(r.probability) for r in results)
    assert a.grid.difference(b.grid) is None
    np.testing.assert_allclose(a.data, b.data, atol=1e-5)


def test_a_given_breast_mask_wins(tiny_cohort, bundle, device):
    pre = tiny_cohort.cases[0].pre.load()
    mask = np.zeros(pre.shape, np.uint8)
    mask[tuple(slice(n // 4, 3 * n // 4) for n in pre.shape)] = 1
    case = Case("c", (ArraySource(pre),), breast=ArraySource(pre.with_data(mask)))
    result = segment(case, bundle, device, threshold=0.0)
    np.testing.assert_array_equal(result.tumour.data, mask)


def test_a_mask_on_another_grid_is_refused(tiny_cohort, bundle, device):
    pre = tiny_cohort.cases[0].pre.load()
    other = Volume(np.ones((5, 5, 5), np.uint8), pre.affine)
    case = Case("c", (ArraySource(pre),), breast=ArraySource(other, "mask.nii"))
    with pytest.raises(GeometryError, match=r"mask\.nii"):
        segment(case, bundle, device)


def test_images_that_cannot_be_used_are_refused(tiny_cohort, bundle, device, tmp_path):
    pre = tiny_cohort.cases[0].pre.load()
    holes = pre.data.astype(np.float32)
    holes[3, 3, 3] = np.nan
    write_nifti(pre.with_data(holes), tmp_path / "holes.nii.gz")
    with pytest.raises(InputError, match=r"holes\.nii\.gz"):
        segment(open_case(tmp_path / "holes.nii.gz"), bundle, device)
    write_nifti(pre.with_data(np.ones(pre.shape, np.int16)), tmp_path / "flat.nii.gz")
    with pytest.raises(InputError, match=r"flat\.nii\.gz"):
        segment(open_case(tmp_path / "flat.nii.gz"), bundle, device)


def with_windows(bundle, **more):
    inference = bundle.info.inference.model_copy(update={"windows": "largest", **more})
    return replace(bundle, info=bundle.info.model_copy(update={"inference": inference}))


def test_a_bundle_may_ask_for_large_windows_and_the_manifest_says_so(
    tiny_cohort, bundle, device, tmp_path
):
    case = tiny_cohort.cases[0]
    segment_to_folder(case, with_windows(bundle), tmp_path)
    found = read_nifti(tmp_path / "tumour_probability.nii.gz")
    usual = segment(case, bundle, device)
    assert found.grid.difference(usual.probability.grid) is None
    np.testing.assert_array_equal(
        read_nifti(tmp_path / "heterogeneity.nii.gz").data > 0, usual.breast.data > 0
    )
    assert np.abs(found.data - usual.probability.data).max() > 0  # other borders, other statistics
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["settings"]["inference"]["windows"] == "largest"


def test_large_windows_without_memory_are_the_usual_ones(tiny_cohort, bundle, device):
    case = tiny_cohort.cases[0]
    usual = segment(case, bundle, device)
    scarce = segment(case, with_windows(bundle, memory_gb=1e-9), device)
    np.testing.assert_array_equal(scarce.probability.data, usual.probability.data)
    np.testing.assert_array_equal(scarce.class_probabilities, usual.class_probabilities)
