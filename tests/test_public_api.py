"""The public names exist and come without torch until they need it."""

import subprocess
import sys

import pytest

import hcnet


@pytest.mark.parametrize("name", hcnet.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(hcnet, name).__doc__


def test_the_list_and_the_table_agree():
    assert sorted(hcnet._WHERE) == sorted(hcnet.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hcnet.nothing  # noqa: B018


def test_import_is_light():
    code = "import sys, hcnet; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
