"""Fixtures that more than one room uses."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Workers of pytest-xdist set these; tables must be as wide in them as anywhere.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# The same examples in every run: a suite that fails by chance tells nothing of a change.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def no_voice_stays():
    """A command that was told to be quiet leaves the next test's as loud as ever."""
    yield
    if "hcnet.cli.console" in sys.modules:
        from hcnet.cli.console import Voice, speak

        speak(Voice.PLAIN, {})


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real exams beside the checkout; it is never part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tiny_cohort(tmp_path_factory):
    """Six small phantoms as a `Cohort`; read only."""
    from tiny import tiny_cohort

    return tiny_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def tiny_run(tiny_cohort, tmp_path_factory):
    """A finished run on `tiny_cohort`; read only. Its bundle is `tiny_run / "bundle"`."""
    from hcnet.training.run import train_run
    from tiny import tiny_config

    out = tmp_path_factory.mktemp("runs") / "tiny"
    train_run(tiny_cohort, tiny_config(), out)
    return out
