"""Mini cohorts and one finished ablation, shared by this room's tests; read only."""

import pytest

from hcnet.studies.ablation.run import plan_ablation, run_ablation
from hcnet.studies.material import prepare_folds, split_cohorts
from mini_cohort import mini_config, write_mini

SEEDS = 2


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory):
    """Eight null-cohort cases with masks, four others with boxes."""
    root = tmp_path_factory.mktemp("ablation")
    return (
        write_mini(root / "cohort", 8, seed=1, null=True),
        write_mini(root / "extra", 4, seed=2, masks=False),
    )


@pytest.fixture(scope="session")
def material(cohorts, tmp_path_factory):
    """The cases of `cohorts`, prepared."""
    config = mini_config()
    split = split_cohorts(*cohorts, config)
    return prepare_folds([split], config, tmp_path_factory.mktemp("cache"))[0]


@pytest.fixture(scope="session")
def finished(cohorts, tmp_path_factory):
    """All arms with two seeds: the folder and the summary."""
    out = tmp_path_factory.mktemp("ablations") / "out"
    splits, plan = plan_ablation(*cohorts, mini_config(), SEEDS)
    return out, run_ablation(splits, plan, mini_config(), out)
