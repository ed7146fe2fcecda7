"""Windows: as many as are counted, and a volume put together from them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference

from hcnet.inference.device import make_device
from hcnet.inference.windows import predict, window_count

EXACT = make_device("32-true")


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self):
        self.told = []

    def track(self, items, description, total=None):
        for done, item in enumerate(items):
            self.told.append((description, done, total))
            yield item
        self.told.append((description, "done", total))

    def message(self, text):
        self.told.append(text)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 40)] * 3),
    st.tuples(*[st.integers(4, 16)] * 3),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75]),
)
def test_every_window_is_counted_and_the_identity_comes_back(shape, patch, overlap):
    heard = Heard()
    image = torch.rand(1, *shape)
    found = predict(torch.clone, [image], patch, overlap, EXACT, heard, "map")
    torch.testing.assert_close(found, image)
    count = window_count(shape, patch, overlap)
    assert heard.told == [*(("map", done, count) for done in range(count)), ("map", "done", count)]


@pytest.mark.parametrize(
    ("shape", "count"), [((16, 16, 16), 1), ((24, 16, 16), 2), ((33, 8, 32), 12)]
)
def test_known_counts(shape, count):
    assert window_count(shape, (16, 16, 16), 0.5) == count


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 30)] * 3),
    st.tuples(*[st.integers(4, 16)] * 3),
    st.sampled_from([0.0, 0.25, 0.5, 0.6]),
)
def test_blending_is_monais(shape, patch, overlap):
    """By a model that answers differently in each window and at each of its voxels."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, *shape, generator=generator)
    guide = torch.rand(2, *shape, generator=generator)
    tilt = torch.rand(3, *patch, generator=generator)

    def model(image, guide):
        return torch.cat([image.square() * image.mean(), guide - guide.amax()], dim=1) + tilt

    expected = sliding_window_inference(
        torch.cat([image, guide])[None],
        patch,
        1,
        lambda window: model(window[:, :1], window[:, 1:]),
        overlap,
        "gaussian",
        padding_mode="replicate",
    )[0]
    found = predict(model, [image, guide], patch, overlap, EXACT)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_window_is_dense_with_its_channels_last():
    def model(window):
        assert window.is_contiguous(memory_format=torch.channels_last_3d)
        return window

    predict(model, [torch.rand(4, 12, 9, 10)], (8, 8, 8), 0.5, EXACT)
