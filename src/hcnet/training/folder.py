"""The folder of a run: one place that knows what lies where.

RUN/config.json              all settings, resolved
RUN/manifest.json            versions, cohort, split
RUN/kinetics/                stage 1: model, codebook, metrics, labels/CASE.npy
RUN/hipm/fold0/, .../final/  stage 2: one folder a training
RUN/hipm/maps/CASE.npy       class probabilities (K+1, X, Y, Z) float16
RUN/kis/, RUN/baseline/      stage 3 and the plain ResUNet beside it
RUN/validation/              masks and metrics of the held-out patients
RUN/bundle/                  what `hcnet segment` needs
RUN/report.html
"""

from dataclasses import dataclass
from pathlib import Path

from hcnet.config import Config, config_from
from hcnet.errors import ConfigError, InputError
from hcnet.files import read_json, write_json

COHORT = "cohort.json"


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    root: Path

    @property
    def kinetics(self) -> Path:
        """Stage 1."""
        return self.root / "kinetics"

    @property
    def hipm(self) -> Path:
        """Stage 2."""
        return self.root / "hipm"

    @property
    def kis(self) -> Path:
        """Stage 3."""
        return self.root / "kis"

    @property
    def baseline(self) -> Path:
        """The plain ResUNet."""
        return self.root / "baseline"

    @property
    def validation(self) -> Path:
        """Masks and metrics of held-out patients."""
        return self.root / "validation"

    @property
    def results(self) -> Path:
        """What the held-out patients gave; there at the end of a run."""
        return self.validation / "results.json"

    @property
    def clustering_metrics(self) -> Path:
        """How good stage 1 is, for both splits."""
        return self.kinetics / "metrics.json"

    @property
    def bundle(self) -> Path:
        """The result."""
        return self.root / "bundle"

    @property
    def cache(self) -> Path:
        """Prepared cases."""
        return self.root / "cache"

    def labels(self, case: str) -> Path:
        """Heterogeneity map of a case from its DCE phases, (X, Y, Z) uint8."""
        return self.kinetics / "labels" / f"{case}.npy"

    def maps(self, case: str) -> Path:
        """Predicted class probabilities of a case, (K+1, X, Y, Z) float16."""
        return self.hipm / "maps" / f"{case}.npy"


def open_run(root: Path, config: Config) -> RunFolder:
    """Start a run's folder, or take up one that was interrupted.

    Args:
        root: the folder.
        config: settings; a run is taken up only with the settings it was started with.

    Raises:
        ConfigError: the folder holds a run with other settings.
        InputError: the folder holds something else.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; give a folder for the run.")
    record = root / "config.json"
    settings = config.model_dump(mode="json", by_alias=True)
    if record.exists():
        if read_json(record) != settings:
            raise ConfigError(f"{root}: holds a run with other settings; give another folder.")
    elif root.is_dir() and any(root.iterdir()):
        raise InputError(f"{root}: is not empty and not a run; give another folder.")
    else:
        write_json(record, settings)
    return RunFolder(root)


def same_cases(folder: RunFolder, keys: dict[str, str]) -> None:
    """Note which cases a run is on, or check that they are still the same.

    Args:
        folder: the run.
        keys: content key of each case by name.

    Raises:
        ConfigError: the run was started on other cases, or their files have changed since.
    """
    record = folder.root / COHORT
    if not record.exists():
        write_json(record, keys)
    elif read_json(record) != keys:
        raise ConfigError(f"{folder.root}: holds a run on other cases; give another folder.")


def read_run_config(root: Path) -> Config:
    """The settings of a run.

    Raises:
        InputError: the folder is no run.
    """
    record = root / "config.json"
    if not record.is_file():
        raise InputError(f"{root}: is not a run; a run has a config.json.")
    return config_from(read_json(record), source=str(record))
