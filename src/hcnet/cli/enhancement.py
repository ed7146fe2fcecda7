"""`hcnet enhancement`: I-SPY's PE and SER maps and functional tumour volume of DCE exams."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import Force, PrePhase, SeriesNumbers, Times


def enhancement(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="A DCE exam (DICOM folder or zip, a 4-D NIfTI, or NIfTI files, pre-contrast "
            "first), or a cohort whose facts hold boxes."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    box: Annotated[
        str | None,
        typer.Option(
            help="Box around the lesion: x_min,x_max,y_min,y_max,z_min,z_max, half-open voxel "
            "indices of the stored array."
        ),
    ] = None,
    region: Annotated[
        Path | None, typer.Option(help="Tumour mask (NIfTI) whose box is taken.")
    ] = None,
    dicom_seg: Annotated[
        int | None, typer.Option(help="Series number of a DICOM SEG in the exam, the same.")
    ] = None,
    least_pe: Annotated[
        float, typer.Option(min=1.0, help="Percent enhancement of the functional tumour.")
    ] = 70.0,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    times: Times = None,
    force: Force = False,
) -> None:
    """Map how an exam enhances: PE, SER and the functional tumour volume, as I-SPY defines them.

    Writes pe.nii.gz, ser.nii.gz, functional.nii.gz and enhancement.json into OUT, or into OUT/CASE
    for each case of a cohort that has a box.
    """
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
        _of_cohort(inputs[0], out, least_pe, force)
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
    _say(f"{case.name}: functional tumour {found.summary['functional_tumour_ml']:.2f} ml")
    _say(f"results: {out}")


def _of_cohort(root: Path, out: Path, least_pe: float, force: bool) -> None:
    """A folder for each case with a box; a case that fails is told, and the others go on."""
    from hcnet.cli.console import ConsoleProgress
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import HcnetError, InputError
    from hcnet.files import folder_aside
    from hcnet.kinetics.enhancement import enhancement as compute

    cases, written = read_cohort(root, masks=False).cases, 0
    boxed = [case for case in cases if "tumour_box" in case.facts.get("primary_lesion", {})]
    with folder_aside(out, force=force) as aside:
        for case in ConsoleProgress().track(boxed, "enhancement", len(boxed)):
            try:
                found = compute(case, least_pe=least_pe)
            except HcnetError as error:
                _say(f"{case.name}: failed, {error}")
                continue
            found.write(aside / case.name)
            written += 1
            _say(f"{case.name}: functional tumour {found.summary['functional_tumour_ml']:.2f} ml")
        told = f"{written} mapped, {len(cases) - len(boxed)} without a box"
        if not written:
            raise InputError(f"{root}: no case could be mapped ({told}).")
    _say(f"{told}: {out}")


def _say(text: str) -> None:
    from hcnet.cli.console import console

    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _whole(box: str) -> list[int]:
    from hcnet.errors import ConfigError

    try:
        return [int(part) for part in box.split(",")]
    except ValueError:
        raise ConfigError(
            f"--box {box}: give six whole numbers separated by commas, such as 94,156,8,71,30,51."
        ) from None
