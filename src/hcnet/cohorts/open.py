"""Opening one exam from whatever a user has: NIfTI files, a folder, a DICOM folder or zip."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import nibabel as nib

from hcnet.cohorts.case import Case, NiftiSource, TimesFrom, VolumeSource
from hcnet.cohorts.cohort import is_cohort, read_cohort
from hcnet.cohorts.dicom_exam import describe_exam, exam_case
from hcnet.cohorts.naming import sign_of_contrast
from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.contrast import doubt
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.sources import DicomMask, DicomPhase
from hcnet.volumes.nifti import is_nifti, nifti_length, stem
from hcnet.volumes.volume import Grid

Kind = Literal["nifti", "dicom"]

_MASK = re.compile(
    r"(^|[^a-z])(masks?|segs?|segmentations?|labels?|lesions?|tumou?rs?|breast)([^a-z]|$)"
)
_PRE = re.compile(r"(^|[^a-z])pre([^a-z]|$)")


def open_case(
    inputs: Path | Sequence[Path],
    *,
    name: str | None = None,
    series: Sequence[int] | None = None,
    phases: int | None = None,
    pre: int | None = None,
    times: Sequence[float] | None = None,
    tumour: Path | int | None = None,
    breast: Path | int | None = None,
) -> Case:
    """Open one exam; volumes are read only when asked for, each on its own.

    Args:
        inputs: a 3-D NIfTI file (one phase), a 4-D one, a list of NIfTI files (pre-contrast
            first), a folder with the NIfTI phases of one case, or a DICOM folder or zip.
        name: of the case, instead of the one found.
        series: DICOM only: numbers of the series to use, instead of those found.
        phases: number of phases, instead of that found.
        pre: index (from 0) of the pre-contrast phase, instead of the one found; phases before it
            are not used.
        times: acquisition times in seconds, one per phase (also those before `pre`), instead of
            those found; relative to the injection, or to the pre-contrast phase if its time is 0.
        tumour: reference tumour mask: a NIfTI or DICOM SEG file, or, for DICOM exams, the series
            number of a segmentation object in the exam.
        breast: breast mask, the same.

    Raises:
        InputError: a path is missing, empty, unreadable or ambiguous, or an override does not
            fit; for DICOM also as `describe_exam`.
        GeometryError: a phase or mask lies on another grid than the pre-contrast phase.
    """
    paths = [inputs] if isinstance(inputs, Path) else list(inputs)
    if kind_of(paths) == "dicom":
        description = describe_exam(paths[0], series=series, phases=phases, pre=pre, times=times)
        numbers = [mask if isinstance(mask, int) else None for mask in (tumour, breast)]
        case = exam_case(description, tumour=numbers[0], breast=numbers[1])
    else:
        if series is not None or isinstance(tumour, int) or isinstance(breast, int):
            raise InputError(f"{paths[0]}: series numbers are for DICOM exams; this is NIfTI.")
        case = _nifti_case(paths, phases, pre, times)
    grid = grid_of(case.pre)
    if isinstance(tumour, Path):
        case = replace(case, tumour=_mask(tumour, grid, case.pre))
    if isinstance(breast, Path):
        case = replace(case, breast=_mask(breast, grid, case.pre))
    return replace(case, name=name) if name else case


def kind_of(paths: Sequence[Path]) -> Kind:
    """Whether the inputs are NIfTI or DICOM, by their names alone.

    Raises:
        InputError: nothing is given, a path is missing, a cohort where one case is expected, or
            several inputs that are not all NIfTI files.
    """
    if not paths:
        raise InputError("no input is given; give a NIfTI file, a DICOM folder or a zip.")
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder.")
    if len(paths) > 1:
        for path in paths:
            if path.is_dir() or not is_nifti(path):
                raise InputError(
                    f"{path}: is not a NIfTI file; several inputs must be the NIfTI phases of one "
                    "case, and a DICOM exam is given as the one folder or zip that holds it."
                )
        return "nifti"
    path = paths[0]
    if path.is_dir():
        if is_cohort(path):
            raise InputError(
                f"{path}: is a cohort of cases; give one of the folders in {path / 'images'}."
            )
        return "nifti" if _nifti_files(path) else "dicom"
    return "nifti" if is_nifti(path) else "dicom"


def named_as_mask(path: Path) -> bool:
    """Whether a NIfTI file's name says that it is a mask."""
    return bool(_MASK.search(stem(path).lower()))


def grid_of(source: VolumeSource) -> Grid:
    """The grid of a phase; of files only the header is read.

    Raises:
        InputError: the file cannot be read.
    """
    if isinstance(source, DicomPhase):
        return source.stack.grid
    if isinstance(source, NiftiSource):
        nifti_length(source.path)  # checks that the header can be used
        image = nib.load(source.path)
        try:
            return Grid(image.shape[:3], image.affine)
        except GeometryError as error:
            raise InputError(f"{source.location}: {error}") from error
    return source.load().grid


def _nifti_case(
    paths: Sequence[Path], count: int | None, pre: int | None, times: Sequence[float] | None
) -> Case:
    first = paths[0]
    if len(paths) == 1 and first.is_dir():
        root = first.parent.parent
        if first.parent.name == "images" and is_cohort(root):
            case = read_cohort(root)[first.name]
        else:
            case = Case(first.name, tuple(_sources(_phase_files(first))))
    else:
        case = Case(_common_name(paths), tuple(_sources(paths)))
    if count is not None and len(case.phases) != count:
        raise InputError(f"{first}: {count} phases are asked for, {len(case.phases)} are there.")
    start = 0 if pre is None else pre
    if not 0 <= start < len(case.phases):
        last = len(case.phases) - 1
        raise InputError(f"{first}: has no phase {start}; its phases are 0 to {last}.")
    seconds, origin = case.times_s, case.times_from
    if times is not None:
        seconds, origin = _given(first, times, len(case.phases), start)
    case = replace(
        case,
        phases=case.phases[start:],
        times_s=None if seconds is None else _from_pre(seconds[start:], origin),
        times_from=origin,
        doubt=None if pre is not None else _doubt(case.pre),
    )
    _check_grids(case)
    return case


def _doubt(first: VolumeSource) -> str | None:
    return doubt(sign_of_contrast(first.path)) if isinstance(first, NiftiSource) else None


def _from_pre(seconds: tuple[float, ...], origin: TimesFrom) -> tuple[float, ...]:
    return seconds if origin == "injection" else tuple(t - seconds[0] for t in seconds)


def _given(
    path: Path, times: Sequence[float], count: int, pre: int
) -> tuple[tuple[float, ...], TimesFrom]:
    if len(times) != count:
        raise InputError(
            f"{path}: {len(times)} acquisition times are given for {count} phases; give one each."
        )
    if any(b <= a for a, b in pairwise(times)):
        raise InputError(f"{path}: the given acquisition times do not rise: {list(times)}.")
    return tuple(float(t) for t in times), "pre" if times[pre] == 0 else "injection"


def _sources(paths: Sequence[Path]) -> list[NiftiSource]:
    """One source per phase: each file is one, or a single file is 4-D and holds all."""
    lengths = [nifti_length(path) for path in paths]
    if len(paths) == 1 and lengths[0] > 1:
        return [NiftiSource(paths[0], index) for index in range(lengths[0])]
    for path, length in zip(paths, lengths, strict=True):
        if length > 1:
            raise InputError(
                f"{path}: holds {length} volumes beside other files; give one 3-D file per phase, "
                "or the 4-D file alone."
            )
    return [NiftiSource(path) for path in paths]


def _nifti_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and is_nifti(path) and not path.name.startswith(".")
    )


def _phase_files(folder: Path) -> list[Path]:
    """The phases of the one case in a folder, pre-contrast first; masks beside them are left out.

    A single file named "pre" comes first; the others follow by the number in which they differ.
    """
    files = [path for path in _nifti_files(folder) if not named_as_mask(path)]
    if not files:
        raise InputError(f"{folder}: holds only masks; give the folder with the images.")
    named = [path for path in files if _PRE.search(stem(path).lower())]
    if len(named) == 1:
        return named + _numbered(folder, [path for path in files if path not in named])
    return _numbered(folder, files)


def _numbered(folder: Path, files: Sequence[Path]) -> list[Path]:
    if len(files) < 2:
        return list(files)
    names = {re.sub(r"\d+", "#", stem(path).lower()) for path in files}
    fields = [[int(digits) for digits in re.findall(r"\d+", stem(path))] for path in files]
    differing = [i for i, values in enumerate(zip(*fields, strict=False)) if len(set(values)) > 1]
    if len(names) > 1 or len(differing) != 1:
        raise InputError(
            f"{folder}: the names of its {len(files)} NIfTI files do not number the phases of one "
            "case; give the files in order instead, pre-contrast first."
        )
    by_number = {values[differing[0]]: path for values, path in zip(fields, files, strict=True)}
    for a, b in pairwise(sorted(by_number)):
        if b != a + 1:
            raise InputError(f"{folder}: phase {a + 1} is missing between the others.")
    return [by_number[number] for number in sorted(by_number)]


def _common_name(paths: Sequence[Path]) -> str:
    name = stem(paths[0])
    return re.sub(r"_0000$", "", name) or name


def _check_grids(case: Case) -> None:
    grid = grid_of(case.pre)
    for source in case.phases[1:]:
        difference = grid.difference(grid_of(source))
        if difference:
            raise GeometryError(
                f"{source.location}: lies on another grid than the pre-contrast phase "
                f"{case.pre.location} ({difference}); resample it to that grid first."
            )


def _mask(path: Path, grid: Grid, pre: VolumeSource) -> VolumeSource:
    if not path.is_file():
        raise InputError(f"{path}: there is no such mask file.")
    if not is_nifti(path):
        return DicomMask(DicomFile(path), grid)
    source = NiftiSource(path)
    difference = grid.difference(grid_of(source))
    if difference:
        raise GeometryError(
            f"{path}: the mask lies on another grid than the pre-contrast phase {pre.location} "
            f"({difference}); resample it to that grid first."
        )
    return source
