"""Windows: as many as are counted, and a volume put together from them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hcnet.inference.windows import predict, window_count
from hcnet.runtime import make_fabric


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
    found = predict(torch.clone, image, patch, overlap, make_fabric("32-true"), heard, "map")
    torch.testing.assert_close(found, image)
    count = window_count(shape, patch, overlap)
    assert heard.told == [*(("map", done, count) for done in range(count)), ("map", "done", count)]


@pytest.mark.parametrize(
    ("shape", "count"), [((16, 16, 16), 1), ((24, 16, 16), 2), ((33, 8, 32), 12)]
)
def test_known_counts(shape, count):
    assert window_count(shape, (16, 16, 16), 0.5) == count
