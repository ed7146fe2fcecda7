import subprocess
import sys

import pytest
from pydantic import ValidationError

from hcnet.prepare.settings import PrepareConfig


@pytest.mark.parametrize(
    "values",
    [
        {"spacing_mm": (1, 1)},
        {"spacing_mm": (1, 0, 1)},
        {"spacing_mm": (1, float("inf"), 1)},
        {"normalise": "none"},
        {"margin_mm": -1},
        {"margn_mm": 1},
    ],
)
def test_values_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        PrepareConfig(**values)


def test_settings_survive_json():
    settings = PrepareConfig(spacing_mm=None, normalise="minmax")
    assert PrepareConfig.model_validate_json(settings.model_dump_json()) == settings


def test_settings_need_neither_torch_nor_simpleitk():
    code = (
        "import sys, hcnet.prepare.settings;"
        "assert not {'torch', 'SimpleITK', 'monai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
