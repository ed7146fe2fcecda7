"""`hcnet breast-mask`: breast masks of an exam or of a whole cohort."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hcnet.cli.options import Json, PrePhase, Remake, SeriesNumbers
from hcnet.errors import ConfigError, InputError

if TYPE_CHECKING:
    from hcnet.cohorts.case import Case
    from hcnet.prepare.breast_models.finders import Finder
    from hcnet.prepare.breast_models.write import Outcome

LOG = "nnunet-failed.log"


def breast_mask(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXAM|COHORT",
            help="A cohort, or one exam: NIfTI, a DICOM folder or a zip of DICOM. Of an exam only "
            "the pre-contrast phase is read.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Folder for the masks, case.nii.gz each (COHORT/breast makes them the cohort's "
            "own), or for one exam a NIfTI file.",
        ),
    ],
    with_: Annotated[
        Literal["classical", "nnunet", "breastdivider"],
        typer.Option("--with", help="The rule without training, or a trained nnU-Net."),
    ] = "classical",
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the trained nnU-Net v2 model (dataset.json, plans.json, fold_...). "
            "Its checkpoints are code that runs: only use model folders that you trust.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A label of the nnunet model that is breast, where none says so; may be repeated.",
        ),
    ] = None,
    nnunet: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of nnU-Net's programs; else $HCNET_NNUNET_BIN, else those on PATH.",
        ),
    ] = None,
    device: Annotated[
        Literal["auto", "cuda", "cpu", "mps"],
        typer.Option(help="For nnU-Net; auto: cuda where torch sees a GPU here, else cpu."),
    ] = "auto",
    mirroring: Annotated[
        bool,
        typer.Option(
            "--mirroring/--no-mirroring",
            help="Let mirror images vote, as nnU-Net does; slow on a CPU.",
        ),
    ] = True,
    series: SeriesNumbers = None,
    pre: PrePhase = None,
    force: Remake = False,
    as_json: Json = False,
) -> None:
    """Write breast masks (NIfTI, 0 and 1) on the exams' own grids.

    `hcnet segment --breast` takes such a mask, `hcnet train` takes those in COHORT/breast, and
    `hcnet evaluate OUT COHORT/breast` scores them. --with breastdivider joins the left and the
    right breast of BreastDivider's public model. Model folders of nnU-Net hold pickled code: only
    use model folders that you trust.

    Examples:
        hcnet breast-mask exam.zip -o breast.nii.gz
        hcnet breast-mask cohort -o cohort/breast
        hcnet breast-mask cohort -o masks --with breastdivider --model model
    """
    from hcnet.cli.console import ConsoleProgress, answer, show, tell_case
    from hcnet.prepare.breast_models.write import write_breast_masks

    cases, alone = _cases(inputs, series or None, pre)
    # Opened first: what is wrong with model or program shall be said before an exam is read.
    finder = _finder(with_, model, label or None, nnunet, device, mirroring, _log(out))
    targets = [(case, _target(out, case, alone)) for case in cases]
    outcomes = write_breast_masks(targets, finder, force=force, progress=ConsoleProgress())

    if alone:
        (outcome,) = outcomes
        if outcome.error is not None:
            raise type(outcome.error)(_with_place(cases[0], outcome.error))
        if outcome.volume_ml is None:
            raise InputError(f"{targets[0][1]}: is there already; --force makes it again.")
    counts = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count} {status}" for status, count in counts.items())
    for case, outcome in zip(cases, outcomes, strict=True):
        if outcome.error is not None:
            tell_case(outcome.name, "failed", _with_place(case, outcome.error))
    if not counts["written"] and not counts["already there"]:
        raise InputError(f"{inputs[0]}: no breast mask could be made; {told}.")
    if as_json:
        answer({"cases": [_as_json(*pair) for pair in zip(outcomes, targets, strict=True)]})
    elif alone:
        show(f"breast: {outcomes[0].volume_ml:.0f} ml, {targets[0][1]}")
    else:
        show(f"{told}: {out}")


def _as_json(outcome: "Outcome", target: tuple["Case", Path]) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "status": outcome.status,
        "volume_ml": outcome.volume_ml,
        "path": None if outcome.error is not None else str(target[1]),
        "why": "" if outcome.error is None else str(outcome.error),
    }


def _cases(
    inputs: Sequence[Path], series: list[int] | None, pre: int | None
) -> tuple[Sequence["Case"], bool]:
    """The cases, and whether the input is one exam and no cohort."""
    from hcnet.cohorts.cohort import is_cohort, read_cohort
    from hcnet.cohorts.open import open_case

    if len(inputs) == 1 and is_cohort(inputs[0]):
        if series is not None or pre is not None:
            raise ConfigError("--series and --pre are for one exam; a cohort knows its phases.")
        return read_cohort(inputs[0], masks=False).cases, False
    return [open_case(inputs, series=series, pre=pre)], True


def _finder(
    kind: str,
    model: Path | None,
    labels: list[str] | None,
    programs: Path | None,
    device: str,
    mirroring: bool,
    log: Path,
) -> "Finder":
    from hcnet.prepare.breast_models.finders import Classical, Nnunet
    from hcnet.prepare.breast_models.model_folder import SIDES, open_model
    from hcnet.prepare.breast_models.program import find_program

    if kind == "classical":
        if model is not None or labels is not None:
            raise ConfigError("--model and --label need --with nnunet or breastdivider.")
        return Classical()
    if model is None:
        raise ConfigError(f"--with {kind} needs --model, the folder of the trained model.")
    if kind == "breastdivider" and labels is not None:
        raise ConfigError("--label is for --with nnunet; BreastDivider's labels are known.")
    opened = open_model(model, SIDES if kind == "breastdivider" else labels)
    return Nnunet(find_program(programs), opened, log, _device(device), mirroring)


def _device(device: str) -> str:
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _is_file(out: Path) -> bool:
    from hcnet.volumes.nifti import is_nifti

    return is_nifti(out) and not out.is_dir()


def _log(out: Path) -> Path:
    return (out.parent if _is_file(out) else out) / LOG


def _target(out: Path, case: "Case", alone: bool) -> Path:
    if _is_file(out):
        if not alone:
            raise ConfigError(f"{out}: is one file for a cohort; give a folder.")
        return out
    if out.is_file():
        raise InputError(f"{out}: is a file and no NIfTI name; give a folder or NAME.nii.gz.")
    from hcnet.cohorts.case import NiftiSource

    # A cohort does not care for letter case, so its mask may be there under another name.
    own = case.breast
    if isinstance(own, NiftiSource) and own.path.parent.resolve() == out.resolve():
        return own.path
    return out / f"{case.name.lower()}.nii.gz"


def _with_place(case: "Case", error: Exception) -> str:
    """The sentence with the exam it is about, where it does not name it itself."""
    said = str(error)
    return said if case.pre.location in said else f"{case.pre.location}: {said}"
