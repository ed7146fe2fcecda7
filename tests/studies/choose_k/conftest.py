"""Two scans of five small exams."""

import pytest


@pytest.fixture(scope="session")
def two_scans(tmp_path_factory):
    """Test and retest cohort; read only."""
    from small_scans import write_scans

    root = tmp_path_factory.mktemp("scans")
    return write_scans(root / "test", 0), write_scans(root / "retest", 1)
