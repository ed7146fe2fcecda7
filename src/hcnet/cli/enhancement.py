"""`hcnet enhancement`: I-SPY's PE and SER maps and functional tumour volume of DCE exams."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hcnet.cli.options import (
    DicomSeg,
    Force,
    Json,
    PrePhase,
    Region,
    ResultFolder,
    SeriesNumbers,
    Times,
)


def enhancement(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXAM...|COHORT",
            help="A DCE exam (DICOM folder or zip, a 4-D NIfTI, or NIfTI files, pre-contrast "
            "first), or a cohort whose facts hold boxes.",
        ),
    ],
    out: ResultFolder,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,Y,Y,Z,Z",
            help="Box around the lesion: least and most x, y and z, half-open voxel indices of the "
            "stored array.",
        ),
    ] = None,
    region: Region = None,
    dicom_seg: DicomSeg = None,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    times: Times = None,
    least_pe: Annotated[
        float,
        typer.Option(
            metavar="PERCENT", min=1.0, help="Enhancement from which a voxel is functional tumour."
        ),
    ] = 70.0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Map how an exam enhances: PE, SER and the functional tumour volume, as I-SPY defines them.

    Writes pe.nii.gz, ser.nii.gz, functional.nii.gz and enhancement.json into OUT, or into OUT/CASE
    for each case of a cohort that has a box. Of a tumour mask the box around it is taken.

    Examples:
        hcnet enhancement exam.zip -o out --box 94,156,8,71,30,51
        hcnet enhancement exam.zip -o out --dicom-seg 32000
        hcnet enhancement duke -o enhancement --least-pe 50
    """
    from hcnet.cli.console import answer, show
    from hcnet.cli.inspect import parse_times
    from hcnet.cohorts.cohort import is_cohort
    from hcnet.cohorts.open import grid_of, open_case
    from hcnet.errors import ConfigError
    from hcnet.files import folder_aside
    from hcnet.kinetics.enhancement import enhancement as compute
    from hcnet.kinetics.functional import box_of

    if sum(given is not None for given in (box, region, dicom_seg)) > 1:
        raise ConfigError("give one of --box, --region and --dicom-seg.")
    if len(inputs) == 1 and is_cohort(inputs[0]):
        if any(given is not None for given in (box, region, dicom_seg, series, pre, times)):
            raise ConfigError(
                "a cohort's own facts hold its boxes and times; give --box, --region, --dicom-seg, "
                "--series, --pre and --times for a single exam only."
            )
        _of_cohort(inputs[0], out, least_pe, force=force, as_json=as_json)
        return
    case = open_case(
        inputs,
        series=series or None,
        pre=pre,
        times=parse_times(times),
        tumour=region if dicom_seg is None else dicom_seg,
    )
    limits = None if box is None else box_of(_whole(box), grid_of(case.pre).shape, "--box")
    found = compute(case, limits, least_pe)
    with folder_aside(out, force=force) as aside:
        found.write(aside)
    if as_json:
        answer({"name": case.name, **found.summary, "out": str(out)})
    else:
        show(_told(case.name, found.summary), f"results: {out}")


def _of_cohort(root: Path, out: Path, least_pe: float, *, force: bool, as_json: bool) -> None:
    """A folder for each case with a box; a case that fails is told, and the others go on."""
    from hcnet.cli.console import ConsoleProgress, answer, show, tell_case
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import HcnetError, InputError
    from hcnet.files import folder_aside
    from hcnet.kinetics.enhancement import enhancement as compute

    cases = read_cohort(root, masks=False).cases
    boxed = [case for case in cases if "tumour_box" in case.facts.get("primary_lesion", {})]
    mapped: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    with folder_aside(out, force=force) as aside:
        for case in ConsoleProgress().track(boxed, "enhancement", len(boxed)):
            try:
                found = compute(case, least_pe=least_pe)
            except HcnetError as error:
                tell_case(case.name, "failed", str(error))
                failed.append({"name": case.name, "why": str(error)})
                continue
            found.write(aside / case.name)
            mapped.append({"name": case.name, **found.summary})
        told = f"{len(mapped)} mapped, {len(cases) - len(boxed)} without a box"
        if not mapped:
            raise InputError(f"{root}: no case could be mapped ({told}).")
    if as_json:
        answer({"out": str(out), "cases": mapped, "failed": failed})
    else:
        show(*(_told(case["name"], case) for case in mapped), f"{told}: {out}")


def _told(name: str, summary: Mapping[str, Any]) -> str:
    return f"{name}: functional tumour {summary['functional_tumour_ml']:.2f} ml"


def _whole(box: str) -> list[int]:
    from hcnet.errors import ConfigError

    try:
        return [int(part) for part in box.split(",")]
    except ValueError:
        raise ConfigError(
            f"--box {box}: give six whole numbers separated by commas, such as 94,156,8,71,30,51."
        ) from None
