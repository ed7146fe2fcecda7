"""Scores of held-out patients, on each exam's own grid, for KIS-Net and the baseline alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hcnet.cohorts.case import VolumeSource
from hcnet.config import Config
from hcnet.evaluation.evaluate import EvaluationTable, compare, read_mask, score_case, tabulate
from hcnet.evaluation.map_metrics import MapTable
from hcnet.evaluation.statistics import PairedComparison
from hcnet.evaluation.tables import as_json, interval_text, maps_as_json, write_csv
from hcnet.files import write_json
from hcnet.inference.decide import tumour_mask
from hcnet.inference.device import Device
from hcnet.prepare.cache import CachedCase
from hcnet.progress import SILENT, Progress
from hcnet.training.folder import RunFolder
from hcnet.training.stage_kis import tumour_probability
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.volume import Volume, to_canonical


@dataclass(frozen=True, eq=False)
class Results:
    """What a run says about itself.

    Attributes:
        tables: scores of each network, KIS-Net first.
        difference: of DSC, KIS-Net minus ResUNet, where both were trained.
        maps: Mean Accuracy and Mean IoU of HIPM.
    """

    tables: Mapping[str, EvaluationTable]
    difference: PairedComparison | None
    maps: MapTable

    def lines(self) -> list[str]:
        """A few lines to read."""
        found = [
            f"HIPM: mean accuracy {self.maps.pooled.mean_accuracy:.3f}, "
            f"mean IoU {self.maps.pooled.mean_iou:.3f} ({len(self.maps.cases)} held-out cases)"
        ]
        for name, table in self.tables.items():
            scores = ", ".join(
                f"{label} {interval_text(metric, table.summary[metric])}"
                for label, metric in (("DSC", "dsc"), ("ASD mm", "asd_mm"))
            )
            found.append(f"{name}: {scores}")
        if self.difference is not None:
            d = self.difference.difference
            found.append(
                f"KIS-Net minus ResUNet: DSC {d.mean:+.3f} ({d.level:.0%} {d.low:+.3f} to "
                f"{d.high:+.3f}), Wilcoxon p {self.difference.p_wilcoxon:.3g}"
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """All numbers as JSON values."""
        return {
            "networks": {name: as_json(table) for name, table in self.tables.items()},
            "maps": maps_as_json(self.maps),
        }


def validate(
    networks: Mapping[str, nn.Module],
    cases: Sequence[CachedCase],
    references: Mapping[str, VolumeSource],
    patients: Mapping[str, str],
    maps: MapTable,
    folder: RunFolder,
    config: Config,
    device: Device,
    progress: Progress = SILENT,
) -> Results:
    """Segment held-out cases, write their masks to `validation/` and score them.

    Args:
        networks: KIS-Net and, where trained, ResUNet.
        cases: held-out cases with a reference mask and maps in `folder`.
        references: the reference mask of each case, on its own grid.
        patients: who each case belongs to.
        maps: scores of HIPM on the same patients.
        folder: the run.
        config: settings.
        device: where and in what numbers to compute.
        progress: listener.
    """
    tables = {}
    for name, model in networks.items():
        rows = []
        for case in progress.track(cases, f"validating {name}"):
            probability = tumour_probability(
                model, case, folder, config, device, with_maps=name == "KIS-Net"
            )
            mask = native_mask(case, probability.numpy(), config)
            write_nifti(mask, folder.validation / name.lower() / f"{case.name}.nii.gz")
            reference = read_mask(references[case.name])
            predicted = to_canonical(mask).data > 0
            rows.append(
                score_case(case.name, predicted, reference.data.astype(bool), reference.grid)
            )
        tables[name] = tabulate(rows, [patients[row.name] for row in rows], seed=config.seed)
        write_csv(tables[name], folder.validation / f"{name.lower()}.csv")
    difference = None
    if len(tables) == 2:
        difference = compare(tables["KIS-Net"], tables["ResUNet"], "dsc")
    results = Results(tables, difference, maps)
    write_json(folder.results, results.as_json())
    return results


def native_mask(case: CachedCase, probability: NDArray[Any], config: Config) -> Volume:
    """Decide a prepared case's tumour mask on the exam's own grid, inside the breast.

    Args:
        case: gives the grids and the breast.
        probability: (X, Y, Z) tumour probability on the prepared grid.
        config: threshold and smallest focus.

    Returns:
        uint8 mask on the exam's own grid.
    """
    found, breast = native_prediction(case, probability)
    return found.with_data(tumour_mask(found.data, breast.data, found.grid, config.inference))


def native_prediction(case: CachedCase, probability: NDArray[Any]) -> tuple[Volume, Volume]:
    """A prepared case's tumour probability and breast mask (uint8) on the exam's own grid.

    Args:
        case: gives the grids and the breast.
        probability: (X, Y, Z) on the prepared grid.
    """
    found = case.frame.to_native(np.asarray(probability, np.float32), "linear")
    breast = case.frame.to_native(np.asarray(case.breast, np.float32), "linear").data >= 0.5
    return found, found.with_data(breast.astype(np.uint8))
