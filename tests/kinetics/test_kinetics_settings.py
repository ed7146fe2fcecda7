import subprocess
import sys

import pytest
from pydantic import ValidationError

from hcnet.kinetics.settings import KineticsConfig


def test_defaults_are_the_paper():
    config = KineticsConfig()
    values = (config.k, config.beta, config.scale, config.loss, config.epochs, config.lr)
    assert values == (10, 0.25, "minmax", "eq1", 300, 0.005)
    assert config.lr_halve_every == 50


def test_every_setting_says_where_its_value_comes_from():
    for name, field in KineticsConfig.model_fields.items():
        assert field.description is not None, name
        assert field.description.startswith(("paper", "own choice")), name


@pytest.mark.parametrize(
    "values",
    [{"k": 1}, {"k": 255}, {"beta": 0}, {"scale": "log"}, {"points": 1}, {"codes": 10}],
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        KineticsConfig(**values)


def test_curves_and_codebook_need_neither_torch_nor_matplotlib():
    modules = "settings, tic, curves, moments, codebook, quality, palette"
    code = (
        f"from hcnet.kinetics import {modules}; import sys; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
