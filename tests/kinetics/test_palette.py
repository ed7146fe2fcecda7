import re

import numpy as np
import pytest
from skimage.color import rgb2lab

from hcnet.kinetics.palette import REST, TUMOUR, class_colours


@pytest.mark.parametrize("k", [1, 2, 3, 6, 10, 30])
def test_colours_are_distinct_and_rise_in_lightness(k):
    colours = class_colours(k)
    assert len(set(colours) | {TUMOUR.lower(), REST.lower()}) == k + 2
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    assert (np.diff(rgb2lab(rgb[None])[0, :, 0]) > 0).all()


def test_ends_are_cool_and_warm():
    cool, warm = class_colours(10)[0], class_colours(10)[-1]
    assert int(cool[5:7], 16) > int(cool[1:3], 16)
    assert int(warm[1:3], 16) > int(warm[5:7], 16)
