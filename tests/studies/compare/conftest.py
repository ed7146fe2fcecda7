"""A mini cohort and one finished comparison of each task, shared by tests here; read only."""

import pytest

from hcnet.studies.compare.entries import Entry
from hcnet.studies.compare.plan import make_plan
from hcnet.studies.compare.run import train_all
from mini_cohort import write_mini
from mini_compare import ENTRIES, compare_config, open_quickly


@pytest.fixture(scope="session")
def mini(tmp_path_factory):
    """Eight cases, two of them without a lesion."""
    return write_mini(tmp_path_factory.mktemp("compare") / "cohort", 8, seed=1)


@pytest.fixture(scope="session")
def finished(mini, tmp_path_factory):
    """Four entries in two folds: the comparison and its records."""
    config = compare_config()
    plan = make_plan("tumour", ENTRIES, mini, None, config, seeds=1, folds=2)
    comparison = open_quickly(plan, config, tmp_path_factory.mktemp("out") / "tumour")
    return comparison, train_all(comparison)


@pytest.fixture(scope="session")
def finished_maps(mini, tmp_path_factory):
    """Two map networks: the comparison and its records."""
    entries = (Entry("vnet", "pre"), Entry("uxnet", "pre"))
    config = compare_config("networks.uxnet={dims=[4, 4, 4, 4], hidden=4, blocks=1}")
    plan = make_plan("map", entries, mini, None, config, seeds=1)
    comparison = open_quickly(plan, config, tmp_path_factory.mktemp("out") / "map")
    return comparison, train_all(comparison)
