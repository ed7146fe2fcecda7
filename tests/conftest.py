"""Fixtures that more than one room uses."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real exams beside the checkout; it is never part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) are not beside this checkout")
    return SHARED
