"""A whole run that takes seconds: networks of a few channels, a few steps, a few phantoms."""

from pathlib import Path

from hcnet.cohorts.cohort import Cohort, read_cohort
from hcnet.cohorts.phantom import write_phantom_cohort
from hcnet.config import Config, load_config

OVERRIDES = (
    "precision=32-true",
    "loader_workers=0",
    "prepare.spacing_mm=[4.0, 4.0, 4.0]",
    "kinetics.k=3",
    "kinetics.epochs=3",
    "kinetics.max_points=4000",
    "kinetics.batch_size=1024",
    "hipm.epochs=1",
    "hipm.steps_per_epoch=2",
    "hipm.patch=[24, 24, 24]",
    "hipm.network.options.dims=[4, 8, 8, 8]",
    "hipm.network.options.hidden=8",
    "kis.epochs=2",
    "kis.steps_per_epoch=2",
    "kis.patch=[24, 24, 24]",
    "kis.network.options.width=4",
    "kis.network.options.embedding=4",
    "inference.overlap=0.1",
)


def tiny_config(*more: str) -> Config:
    return load_config("demo", None, [*OVERRIDES, *more])


def tiny_cohort(root: Path, cases: int = 6) -> Cohort:
    write_phantom_cohort(root, cases, seed=1)
    return read_cohort(root)
