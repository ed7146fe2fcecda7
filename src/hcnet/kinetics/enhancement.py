"""PE and SER maps and the functional tumour volume of one exam, as files on its own grid."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import Case
from hcnet.errors import InputError
from hcnet.files import write_json
from hcnet.kinetics.functional import BOX_KEYS, Box, box_around, lesion_box
from hcnet.kinetics.ispy_maps import LEAST_PE, background_cutoff, ispy_maps
from hcnet.kinetics.tic import kinetic_clock
from hcnet.volumes.checks import check_image, check_same_frame
from hcnet.volumes.nifti import write_nifti
from hcnet.volumes.resample import resample
from hcnet.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Enhancement:
    """How an exam enhances, by I-SPY's definitions, on the grid of its pre-contrast phase.

    Attributes:
        pe: percent enhancement, float32.
        ser: signal enhancement ratio, float32; None for an exam without a late phase.
        tumour: the functional tumour, uint8: enhancing voxels of the box.
        summary: the numbers: volume in ml, percentiles of the maps in the tumour, the rules.
    """

    pe: Volume
    ser: Volume | None
    tumour: Volume
    summary: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write pe.nii.gz, ser.nii.gz, functional.nii.gz and enhancement.json."""
        write_nifti(self.pe, folder / "pe.nii.gz")
        if self.ser is not None:
            write_nifti(self.ser, folder / "ser.nii.gz")
        write_nifti(self.tumour, folder / "functional.nii.gz")
        write_json(folder / "enhancement.json", self.summary)


def enhancement(case: Case, box: Box | None = None, least_pe: float = LEAST_PE) -> Enhancement:
    """Compute PE and SER maps and the functional tumour of an exam.

    Args:
        case: at least two phases.
        box: where the lesion is, in voxels of the pre-contrast phase; None takes the box of the
            case's facts, else the smallest one around its tumour mask.
        least_pe: of the functional tumour, in percent; it differs between I-SPY's sites.

    Raises:
        InputError: a phase cannot be read or used, there is no box, or `ispy_maps` refuses.
        GeometryError: the phases do not show the same region.
    """
    where = case.pre.location
    pre = case.pre.load()
    check_image(pre, where)
    chosen = box or lesion_box(case.facts, pre.shape, where)
    if chosen is None and case.tumour is not None:
        chosen = box_around(case.tumour.load().data > 0, case.tumour.location)
    if chosen is None:
        raise InputError(
            f"{where}: nothing says where the lesion is; give --box, or a mask by --region or "
            "--dicom-seg."
        )
    try:
        clock = kinetic_clock(case.times_s, case.times_from, len(case.phases))
        maps = ispy_maps(
            _phases(case, pre), clock, background_cutoff(pre.data, chosen), least_pe=least_pe
        )
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from error
    tumour = np.zeros(pre.shape, dtype=np.uint8)
    tumour[chosen] = maps.enhancing[chosen]
    inside = tumour > 0
    limits = [limit for side in chosen for limit in (side.start, side.stop)]
    summary = {
        "case": case.name,
        "functional_tumour_ml": float(inside.sum() * pre.grid.voxel_ml),
        "pe_percent": _percentiles(maps.pe, inside),
        "ser": None if maps.ser is None else _percentiles(maps.ser, inside),
        "early_phase": maps.early,
        "late_phase": maps.late,
        "clock_s": clock.tolist(),
        "cutoff": maps.cutoff,
        "least_pe_percent": least_pe,
        "box": dict(zip(BOX_KEYS, limits, strict=True)),
    }
    ser = None if maps.ser is None else pre.with_data(maps.ser)
    return Enhancement(pre.with_data(maps.pe), ser, pre.with_data(tumour), summary)


def _phases(case: Case, pre: Volume) -> NDArray[Any]:
    found = [pre.data]
    for source in case.phases[1:]:
        phase = source.load()
        check_image(phase, source.location)
        check_same_frame(phase, pre, source.location, case.pre.location)
        found.append(resample(phase, pre.grid, "linear").data)
    return np.stack(found)


def _percentiles(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> dict[str, float] | None:
    if not inside.any():
        return None
    median, peak = np.percentile(values[inside], (50, 95))
    return {"median": float(median), "percentile_95": float(peak)}
