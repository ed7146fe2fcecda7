import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hcnet.kinetics.palette import class_colours
from hcnet.report import slices
from hcnet.report.content import Slices
from hcnet.report.slices import outline_path, slices_of
from hcnet.volumes.volume import Volume

K = 3
AFFINE = np.diag([2.0, 1.0, 4.0, 1.0])


def exam(tumour: bool = True) -> tuple[Volume, Volume, Volume]:
    shape = (40, 60, 9)
    breast, mask = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    breast[12:28, 15:40, 2:8] = 1
    mask[15:20, 20:30, 4:6] = tumour
    mask[15:25, 20:30, 5] = tumour
    labels = breast * (1 + np.indices(shape).sum(axis=0) % K).astype(np.uint8)
    image = (1000.0 * breast).astype(np.float32)
    return Volume(image, AFFINE), Volume(mask, AFFINE), Volume(labels, AFFINE)


def sprite(uri: str) -> np.ndarray:
    """The pixels that a browser sees, RGBA."""
    content = base64.b64decode(uri.split(",", 1)[1], validate=True)
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))


def tile(found: Slices, uri: str, place: int) -> np.ndarray:
    """What the page shows of a sprite for one slice, as `slices.js` places it."""
    width, height = found.pixels
    row, column = divmod(place, found.tiles[0])
    top, left = row * (height + 2) + 1, column * (width + 2) + 1
    return sprite(uri)[top : top + height, left : left + width]


def test_an_outline_follows_the_voxels() -> None:
    mask = np.zeros((3, 4), bool)
    mask[1, 1:3] = True
    assert sorted(re.findall(r"M[^M]+", outline_path(mask))) == [
        "M1 1h2", "M1 1v1", "M1 2h2", "M3 1v1"
    ]  # fmt: skip
    assert outline_path(np.zeros((3, 4), bool)) == ""


@given(hnp.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
@settings(max_examples=40)
def test_an_outline_holds_exactly_its_mask(mask: np.ndarray) -> None:
    # Going to the right along a row of voxels, each upright stroke changes inside and outside.
    crossings = np.zeros((mask.shape[0], mask.shape[1] + 1), int)
    for x, y, length in re.findall(r"M(\d+) (\d+)v(\d+)", outline_path(mask)):
        crossings[int(y) : int(y) + int(length), int(x)] += 1
    np.testing.assert_array_equal(np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1, mask)


def test_slices_are_those_of_the_breast() -> None:
    found = slices_of(*exam(), K)
    # Axial, as slices are thickest across S: 2 to 7 of 9, counted from 1.
    assert (found.first, len(found.outlines), found.total) == (3, 6, 9)
    assert found.start == 6  # the slice with most tumour
    assert [bool(path) for path in found.outlines] == [False, False, True, True, False, False]
    # 16 x 2 mm and 25 x 1 mm, with 10 mm on every side
    assert found.size_mm == (52.0, 45.0)
    assert found.voxels == found.pixels == (26, 45)
    assert found.letters == ("R", "L", "A")
    assert found.bar_mm == 10


def test_tiles_show_image_and_map_of_their_slice() -> None:
    image, mask, labels = exam()
    found = slices_of(image, mask, labels, K)
    for place in range(6):
        # upright: R and A are left and up, so both axes run backwards
        expected = labels.data[7:33, 5:50, place + 2].T[::-1, ::-1]
        shown = tile(found, found.labels, place)
        np.testing.assert_array_equal(shown[..., 3] > 0, expected > 0)
        for code, colour in enumerate(class_colours(K), start=1):
            assert (shown[expected == code][:, :3] == list(bytes.fromhex(colour[1:]))).all()
        grey = tile(found, found.image, place)[..., 0].astype(int)
        assert np.abs(grey - 255 * (expected > 0)).mean() < 8  # JPEG


def test_uncertainty_is_as_opaque_as_it_is_large() -> None:
    image, mask, labels = exam()
    unsure = np.full(image.shape, 0.4)
    unsure[:20] = np.nan
    found = slices_of(image, mask, labels, K, Volume(unsure, AFFINE))
    alpha = tile(found, found.uncertainty, 0)[..., 3]
    assert set(np.unique(alpha)) == {0, 102}  # 0.4 of 255
    assert slices_of(image, mask, labels, K).uncertainty == ""


def test_an_exam_without_breast_and_tumour_is_shown_whole() -> None:
    image, nothing, labels = exam(tumour=False)
    found = slices_of(image, nothing, labels.with_data(np.zeros_like(labels.data)), K)
    assert len(found.outlines) == found.total == 9
    assert found.size_mm == (80.0, 60.0)
    assert not any(found.outlines)


def test_a_large_exam_is_shown_more_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = slices_of(*exam(), K)
    monkeypatch.setattr(slices, "MOST_PIXELS", 26 * 45 * 6 // 4)
    small = slices_of(*exam(), K)
    assert small.pixels == (13, 22)
    assert (small.outlines, small.size_mm) == (whole.outlines, whole.size_mm)
    assert sprite(small.image).shape[0] < sprite(whole.image).shape[0]


@pytest.mark.slow
def test_a_whole_exam_of_noise_stays_small() -> None:
    generator = np.random.default_rng(0)
    shape = (60, 256, 256)
    labels = np.zeros(shape, np.uint8)
    labels[:, 10:-10, 10:-10] = generator.integers(1, 7, (60, 236, 236))
    affine = np.diag([2.5, 0.8, 0.8, 1.0])
    found = slices_of(
        Volume(generator.normal(100, 20, shape).astype(np.float32), affine),
        Volume((generator.random(shape) > 0.999).astype(np.uint8), affine),
        Volume(labels, affine), 6,
    )  # fmt: skip
    assert len(found.image) + len(found.labels) + sum(map(len, found.outlines)) < 5_500_000
