"""PE, SER and the functional tumour of an exam, and where its box comes from."""

from dataclasses import replace

import numpy as np
import pytest

from hcnet.cohorts.case import ArraySource, Case
from hcnet.cohorts.dicom_exam import describe_exam, exam_case
from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.enhancement import enhancement
from hcnet.kinetics.functional import BOX_KEYS
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import Volume

AFFINE = np.diag([-2.0, 1.0, 3.0, 1.0])
LESION = (slice(4, 9), slice(5, 10), slice(3, 8))


def _exam(*rises: float, affine=AFFINE) -> Case:
    """A lesion that rises by these shares, in tissue of 100 that rises by a tenth."""
    pre = np.full((14, 16, 12), 100.0, np.float32)
    pre[0, 0] = 0  # air
    phases = [pre]
    for rise in rises:
        phase = pre * 1.1
        phase[LESION] = 100 * (1 + rise)
        phases.append(phase)
    sources = tuple(
        ArraySource(Volume(phase, affine if n else AFFINE), f"phase {n}")
        for n, phase in enumerate(phases)
    )
    return Case("E", sources, times_s=(-60.0, 150.0, 450.0)[: len(sources)], times_from="injection")


def _mask() -> Volume:
    mask = np.zeros((14, 16, 12), np.uint8)
    mask[LESION] = 1
    return Volume(mask, AFFINE)


def _boxed(case: Case, *limits: int) -> Case:
    box = dict(zip(BOX_KEYS, limits, strict=True))
    return replace(case, facts={"primary_lesion": {"tumour_box": box}})


def test_known_values_in_millilitres_on_the_grid_of_the_exam(tmp_path) -> None:
    case = _boxed(_exam(1.5, 1.0), 3, 10, 4, 11, 2, 9)
    found = enhancement(case)
    np.testing.assert_array_equal(found.tumour.data[LESION][1:-1, 1:-1, 1:-1], 1)
    assert found.summary["pe_percent"]["median"] == 150
    assert found.summary["ser"]["median"] == 1.5
    voxels = int(found.tumour.data.sum())
    assert found.summary["functional_tumour_ml"] == pytest.approx(voxels * 6 / 1000)
    found.write(tmp_path)
    for name in ("pe", "ser", "functional"):
        assert read_nifti(tmp_path / f"{name}.nii.gz").grid.difference(case.pre.load().grid) is None


def test_tissue_outside_the_box_is_mapped_and_is_no_tumour() -> None:
    found = enhancement(_boxed(_exam(1.5, 1.0), 4, 6, 5, 10, 3, 8))
    assert found.pe.data[8, 7, 5] == 150
    assert found.tumour.data[:4].sum() == found.tumour.data[6:].sum() == 0
    assert found.tumour.data[4:6].sum() > 0


def test_a_box_that_is_given_wins_over_facts_and_these_over_the_mask() -> None:
    case = replace(_boxed(_exam(1.5, 1.0), 0, 14, 0, 16, 0, 12), tumour=ArraySource(_mask()))
    assert enhancement(case, LESION).summary["box"]["x_min"] == 4
    assert enhancement(case).summary["box"]["x_max"] == 14
    bare = replace(case, facts={})
    assert list(enhancement(bare).summary["box"].values()) == [4, 9, 5, 10, 3, 8]


def test_two_phases_have_no_ser(tmp_path) -> None:
    found = enhancement(replace(_exam(1.5), tumour=ArraySource(_mask())))
    assert found.ser is None
    assert found.summary["ser"] is None
    found.write(tmp_path)
    assert not (tmp_path / "ser.nii.gz").exists()


def test_a_lesion_that_does_not_enhance_has_no_numbers() -> None:
    found = enhancement(replace(_exam(0.3, 0.3), tumour=ArraySource(_mask())))
    assert found.summary["functional_tumour_ml"] == 0
    assert found.summary["pe_percent"] is None


def test_the_threshold_is_that_of_the_site() -> None:
    case = replace(_exam(0.9, 0.9), tumour=ArraySource(_mask()))
    assert enhancement(case).summary["functional_tumour_ml"] > 0
    assert enhancement(case, least_pe=100.0).summary["functional_tumour_ml"] == 0


def test_without_a_box_it_says_how_to_give_one() -> None:
    with pytest.raises(InputError, match=r"phase 0: nothing says where the lesion is; give --box"):
        enhancement(_exam(1.5, 1.0))


def test_an_empty_mask_has_no_box() -> None:
    nothing = _mask().with_data(np.zeros((14, 16, 12), np.uint8))
    with pytest.raises(InputError, match=r"empty: the mask is empty"):
        enhancement(replace(_exam(1.5, 1.0), tumour=ArraySource(nothing, "empty")))


def test_phases_of_another_region_are_refused() -> None:
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] = 500
    with pytest.raises(GeometryError, match=r"phase 1: shows only"):
        enhancement(_exam(1.5, 1.0, affine=elsewhere), LESION)


@pytest.mark.slow  # the maps themselves are compared in test_ispy_maps.py
def test_the_real_exam_has_the_published_volume_and_maps(shared_data) -> None:
    exam = describe_exam(shared_data / "ispy1_1002" / "ISPY1_1002.zip")
    # The reader's box, private elements (0117,10A1) and (0117,10A2) of the derived series.
    found = enhancement(_boxed(exam_case(exam), 94, 156, 108, 171, 30, 51))
    stored = {one.series_number: one.source.load().data for one in exam.maps}
    np.testing.assert_array_equal(found.pe.data, stored[31001])
    np.testing.assert_allclose(found.ser.data, stored[31000], atol=1e-6)
    official = exam_case(exam, tumour=32100).tumour.load().data > 0
    np.testing.assert_array_equal(found.tumour.data > 0, official)
    assert found.summary["functional_tumour_ml"] == pytest.approx(5.31, abs=0.005)
