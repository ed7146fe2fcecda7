"""hcnet: tumour segmentation with heterogeneity clustering in non-contrast breast MRI.

Research software, not a medical device.

    case = hcnet.open_case(Path("exam.zip"))
    bundle = hcnet.open_bundle(Path("bundle"))
    result = hcnet.segment(case, bundle, hcnet.make_device("auto"))
    result.tumour           # a Volume on the exam's own grid

The names are imported when first used, so that `import hcnet` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hcnet.cohorts.case import Case
    from hcnet.cohorts.cohort import Cohort, read_cohort, write_case
    from hcnet.cohorts.open import open_case
    from hcnet.config import Config, load_config
    from hcnet.errors import HcnetError
    from hcnet.evaluation.evaluate import evaluate_masks
    from hcnet.inference.bundle import Bundle, open_bundle
    from hcnet.inference.device import make_device
    from hcnet.inference.segment import segment
    from hcnet.inference.segmentation import Segmentation
    from hcnet.training.cluster import cluster_to_folder
    from hcnet.training.run import train_run
    from hcnet.volumes.volume import Grid, Volume

    __version__: str

_WHERE = {
    "Bundle": "hcnet.inference.bundle",
    "Case": "hcnet.cohorts.case",
    "Cohort": "hcnet.cohorts.cohort",
    "Config": "hcnet.config",
    "Grid": "hcnet.volumes.volume",
    "HcnetError": "hcnet.errors",
    "Segmentation": "hcnet.inference.segmentation",
    "Volume": "hcnet.volumes.volume",
    "cluster_to_folder": "hcnet.training.cluster",
    "evaluate_masks": "hcnet.evaluation.evaluate",
    "load_config": "hcnet.config",
    "make_device": "hcnet.inference.device",
    "open_bundle": "hcnet.inference.bundle",
    "open_case": "hcnet.cohorts.open",
    "read_cohort": "hcnet.cohorts.cohort",
    "segment": "hcnet.inference.segment",
    "train_run": "hcnet.training.run",
    "write_case": "hcnet.cohorts.cohort",
}

__all__ = [
    "Bundle",
    "Case",
    "Cohort",
    "Config",
    "Grid",
    "HcnetError",
    "Segmentation",
    "Volume",
    "cluster_to_folder",
    "evaluate_masks",
    "load_config",
    "make_device",
    "open_bundle",
    "open_case",
    "read_cohort",
    "segment",
    "train_run",
    "write_case",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("hcnet")
    if name not in _WHERE:
        raise AttributeError(f"module 'hcnet' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
