"""Images of an exam: grids, and both breasts in their places."""

import numpy as np
import pytest

from hcnet.cohorts.phantom.layout import lay_out
from hcnet.cohorts.phantom.parameters import frozen_parameters
from hcnet.cohorts.phantom.protocol import Protocol, draw_protocol


def _protocol(like: str, seed: int = 0) -> Protocol:
    parameters = frozen_parameters()
    return draw_protocol(np.random.default_rng(seed), parameters.protocol[like], parameters.faults)  # type: ignore[index]


@pytest.mark.parametrize("side", [1, -1])
def test_one_breast_fills_a_sagittal_image(side: int) -> None:
    protocol = _protocol("ispy1")
    layout = lay_out("ispy1", "full", protocol, side)  # type: ignore[arg-type]
    assert layout.shape == (60, 256, 256)
    assert layout.spacing == (protocol.slice_mm, protocol.in_plane_mm, protocol.in_plane_mm)
    assert [place.side for place in layout.sides] == [side]
    assert np.sign(layout.frame.x.mean()) == side
    lateral = layout.sides[0].frame.x
    np.testing.assert_allclose(lateral, -lateral[::-1], atol=1e-3)


def test_both_breasts_tile_an_axial_image() -> None:
    layout = lay_out("duke", "small", _protocol("duke"), 1)
    image = np.zeros(layout.shape)
    for place in layout.sides:
        place.place(image, np.full(place.frame.shape, 1.0))
    behind = layout.sides[0].slices[1].start
    assert (image[:, behind:] == 1).all()
    assert (image[:, :behind] == 0).all()


def test_a_left_breast_is_laid_out_as_a_mirror_image() -> None:
    layout = lay_out("duke", "small", _protocol("duke"), 1)
    right, left = layout.sides
    np.testing.assert_allclose(right.frame.x, left.frame.x, atol=1e-3)
    image = np.zeros(layout.shape, np.float32)
    for place in layout.sides:
        lateral = np.broadcast_to(place.frame.x[:, None, None], place.frame.shape)
        place.place(image, lateral)
        own = np.zeros(layout.shape, np.float32)
        x = np.broadcast_to(place.image_frame.x[:, None, None], place.frame.shape)
        place.place(own, x)
        there = own[place.slices]
        np.testing.assert_allclose(there[:, 0, 0], layout.frame.x[place.slices[0]], atol=1e-3)
    middle = image[:, -1, 0]
    np.testing.assert_allclose(middle, middle[::-1], atol=1e-3)
    assert middle[0] > middle[len(middle) // 2]


@pytest.mark.parametrize("like", ["ispy1", "duke"])
def test_protocols_stay_within_their_ranges(like: str) -> None:
    drawn = [_protocol(like, seed) for seed in range(60)]
    ranges = frozen_parameters().protocol[like]  # type: ignore[index]
    for protocol in drawn:
        assert ranges.tr_s.low - 1e-4 <= protocol.tr_s <= ranges.tr_s.high + 1e-4
        assert ranges.in_plane_mm.low <= protocol.in_plane_mm <= ranges.in_plane_mm.high
        assert len(protocol.motion) == len(protocol.motion_mm) == len(protocol.times_s) - 1
    strengths = {protocol.field_strength for protocol in drawn}
    assert strengths == ({1.5} if like == "ispy1" else {1.5, 3.0})
    assert {len(protocol.times_s) for protocol in drawn} == ({3, 4} if like == "ispy1" else {4, 5})
    filled = np.mean([protocol.acquired_share != (1.0, 1.0) for protocol in drawn])
    assert 0.1 < filled < 0.5
