"""Networks of a few channels for comparisons on a mini cohort."""

from pathlib import Path
from unittest.mock import patch

from hcnet.config import Config
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.measure import measure
from hcnet.studies.compare.plan import Plan
from hcnet.studies.compare.run import Comparison, open_comparison
from mini_cohort import mini_config

ENTRIES = (Entry("zhang", "all-phases"), Entry("mhl", "post+sub"), BASELINE, OURS)
SMALL = (
    "networks.zhang={width=2, dim=4, layers=1, heads=2, mlp=4}",
    "networks.mhl={width=2}",
    "networks.vnet={width=2}",
    "kis.epochs=2",
    "hipm.epochs=2",
)


def compare_config(*more: str) -> Config:
    return mini_config(*SMALL, *more)


def open_quickly(plan: Plan, config: Config, out: Path) -> Comparison:
    """`open_comparison`, measuring in this process: a new one imports torch for seconds."""
    with patch("hcnet.studies.compare.estimate.measured", lambda spec, _file: measure(spec)):
        return open_comparison(plan, config, out)
