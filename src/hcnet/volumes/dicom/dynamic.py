"""Which series of a study are the phases of its dynamic exam."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hcnet.errors import GeometryError, HcnetError, InputError
from hcnet.volumes.dicom.phases import split_phases, start_of
from hcnet.volumes.dicom.series import Kind, Series
from hcnet.volumes.dicom.stacks import Stack

_SAME_GRID_MM = 0.1
_PRE = re.compile(r"(^|[^a-z])(pre|dyn|dynamic|nativ|native)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Phase:
    """One phase of a dynamic exam.

    Attributes:
        stack: its slices.
        series: the series that they come from.
        why: how it was told apart from the others.
    """

    stack: Stack
    series: Series
    why: str


@dataclass(frozen=True, eq=False)
class Selection:
    """The phases of a study, in order of time, on one grid.

    Attributes:
        phases: one or more.
        why: why these series, in words.
        warnings: what a user should look at.
    """

    phases: tuple[Phase, ...]
    why: str
    warnings: tuple[str, ...]


_Group = list[Phase]


def select_phases(
    study: Sequence[Series],
    where: str,
    *,
    numbers: Sequence[int] | None = None,
    count: int | None = None,
) -> Selection:
    """Choose the series that are the dynamic exam and split them into phases.

    T1-weighted gradient-echo volumes on one grid and with the same contrast settings belong
    together; the group with the most phases is the dynamic exam. A study without repeated volumes
    is an exam of one phase.

    Args:
        study: the series of one study.
        where: the folder or zip, for messages.
        numbers: the series to use, by number, where the user says so.
        count: the number of phases in all, where the user says so.

    Raises:
        InputError: no T1 volume, an unknown series number, another number of phases than asked
            for, or a series that belongs to the exam is damaged (a slice missing, duplicates).
        GeometryError: chosen series lie on different grids, or slices do not make a stack.
    """
    if numbers:
        return _as_told(study, where, numbers, count)
    candidates = [series for series in study if series.kind is Kind.T1]
    if not candidates:
        found = "; ".join(f"{series.name}: {series.why}" for series in study)
        raise InputError(
            f"{where}: holds no T1-weighted volume that could be a phase ({found}); "
            "name the series to use."
        )
    split: list[_Group] = []
    broken: list[tuple[Series, HcnetError]] = []
    for series in candidates:
        try:
            split.append(_split(series, count if len(candidates) == 1 else None))
        except (InputError, GeometryError) as error:
            broken.append((series, error))
    groups = sorted(_groups(split), key=lambda group: _rank(group, count), reverse=True)
    _refuse_broken(groups, broken)
    best, others = groups[0], groups[1:]
    _refuse_shortened(best, others)
    _check_count(best, where, count)
    warnings = [f"left out, because damaged: {error}" for _, error in broken]
    warnings += [_rival(best, other) for other in others if len(other) >= min(len(best), 2)]
    warnings += _doubts(best)
    return Selection(_in_order(best), _reason(best, others), tuple(warnings))


def _as_told(
    study: Sequence[Series], where: str, numbers: Sequence[int], count: int | None
) -> Selection:
    chosen: list[Series] = []
    for number in numbers:
        parts = [series for series in study if series.number == number]
        usable = [series for series in parts if series.kind is not Kind.SEGMENTATION]
        if not usable:
            known = ", ".join(str(s.number) for s in study if s.kind is not Kind.SEGMENTATION)
            raise InputError(f"{where}: has no image series {number}; there are: {known}.")
        chosen.append(max(usable, key=lambda series: len(series.instances)))
    split = [_split(series, count if len(chosen) == 1 else None) for series in chosen]
    first = split[0][0].stack
    for group in split[1:]:
        difference = first.grid.difference(group[0].stack.grid, _SAME_GRID_MM)
        if difference:
            raise GeometryError(
                f"{where}: {split[0][0].series.name} and {group[0].series.name} lie on different "
                f"grids ({difference}); choose series of one dynamic exam."
            )
    phases = [phase for group in split for phase in group]
    _check_count(phases, where, count)
    return Selection(_in_order(phases), "chosen by the user", tuple(_doubts(phases)))


def _split(series: Series, count: int | None) -> _Group:
    try:
        split = split_phases(series.instances, series.name, count)
    except HcnetError:
        if not series.turned:
            raise
        raise GeometryError(
            f"{series.name}: its slices have mixed orientations, {len(series.instances)} images "
            f"lie in one plane and {series.turned} in others, and the first are no whole volumes; "
            "copy the exam again, or put each orientation in a series of its own."
        ) from None
    doubt = f" ({split.warning})" if split.warning else ""
    return [Phase(stack, series, split.why + doubt) for stack in split.stacks]


def _groups(split: Sequence[_Group]) -> list[_Group]:
    groups: list[_Group] = []
    for phases in split:
        for group in groups:
            if _alike(group[0], phases[0]):
                group.extend(phases)
                break
        else:
            groups.append(list(phases))
    return groups


def _alike(one: Phase, other: Phase) -> bool:
    """Whether two phases can belong to one dynamic exam."""
    return not one.stack.grid.difference(other.stack.grid, _SAME_GRID_MM) and _same_contrast(
        one, other
    )


def _same_contrast(one: Phase, other: Phase) -> bool:
    """Whether two phases share position reference, contrast settings and fat suppression."""
    a, b = one.series.first, other.series.first
    if a.frame_of_reference and b.frame_of_reference != a.frame_of_reference:
        return False
    settings = (
        (a.echo_time, b.echo_time, 0.1),
        (a.repetition_time, b.repetition_time, 0.1),
        (a.flip_angle, b.flip_angle, 0.05),
    )
    fat_suppressed = ["FS" in instance.scan_options for instance in (a, b)]
    return fat_suppressed[0] == fat_suppressed[1] and all(
        x is None or y is None or abs(x - y) <= part * max(x, y) for x, y, part in settings
    )


def _rank(group: _Group, count: int | None) -> tuple[bool, int, bool, int]:
    named = any(_PRE.search(phase.series.first.description) for phase in group)
    return len(group) == count, len(group), named, int(np.prod(group[0].stack.grid.shape))


def _refuse_broken(groups: Sequence[_Group], broken: Sequence[tuple[Series, HcnetError]]) -> None:
    """A damaged series that may belong to the exam is an error, not something to pass over."""
    for series, error in broken:
        if not groups:
            raise error
        best = groups[0]
        images = sum(len(phase.stack.instances) for phase in best)
        first, other = best[0].series.first, series.first
        similar = (first.rows, first.columns) == (other.rows, other.columns) and np.allclose(
            (*(first.orientation or ()), *(first.pixel_spacing or ())),
            (*(other.orientation or ()), *(other.pixel_spacing or ())),
            atol=1e-3,
        )
        if similar or len(series.instances) >= images:
            raise error


def _refuse_shortened(best: _Group, others: Sequence[_Group]) -> None:
    """A volume on the same slices, only fewer or more of them, has lost its first or last."""
    grid = best[0].stack.grid
    for other in (group[0] for group in others):
        shift = np.linalg.inv(grid.affine) @ other.stack.grid.affine
        along_slices = shift[2, 3]
        shift[2, 3] = 0.0
        on_its_slices = np.allclose(shift, np.eye(4), atol=0.02) and np.isclose(
            along_slices, round(along_slices), atol=0.1
        )
        overlap = min(grid.shape[2], along_slices + other.stack.grid.shape[2]) - max(
            0.0, along_slices
        )
        if on_its_slices and 2 * overlap > grid.shape[2] and _same_contrast(best[0], other):
            raise InputError(
                f"{other.series.name} has {other.stack.grid.shape[2]} slices and "
                f"{best[0].series.name} {grid.shape[2]} of the same stack: slices are missing at "
                "an end; copy the exam again, or name the series to use."
            )


def _check_count(group: Sequence[Phase], where: str, count: int | None) -> None:
    if count is not None and len(group) != count:
        names = ", ".join(dict.fromkeys(phase.series.name for phase in group))
        raise InputError(
            f"{where}: {count} phases are asked for, but {names} hold(s) {len(group)}; "
            "name the series to use."
        )


def _in_order(group: Sequence[Phase]) -> tuple[Phase, ...]:
    """Sort by acquisition time where every phase has its own, and put all on the first's grid."""
    starts = {start_of(phase.stack.instances) for phase in group}
    ordered = list(group)
    if None not in starts and len(starts) == len(group):
        ordered.sort(key=lambda phase: start_of(phase.stack.instances) or 0.0)
    grid = ordered[0].stack.grid
    return tuple(replace(p, stack=replace(p.stack, grid=grid)) for p in ordered)


def _reason(best: _Group, others: Sequence[_Group]) -> str:
    series = len({phase.series for phase in best})
    if len(best) == 1:
        alone = "the only T1 volume" if not others else "the T1 volume chosen among several"
        return f"{alone}; no series repeats its slices, so the exam has one phase"
    if series == 1:
        return f"T1 series with {len(best)} volumes on one grid"
    return f"{series} T1 series with {len(best)} volumes on one grid and alike in contrast"


def _rival(best: _Group, other: _Group) -> str:
    names = ", ".join(dict.fromkeys(phase.series.name for phase in other))
    chosen = ", ".join(dict.fromkeys(phase.series.name for phase in best))
    return (
        f"{names} hold(s) {len(other)} T1 volume(s) on another grid or with another contrast; "
        f"{chosen} is used, name the series to use the other"
    )


def _doubts(group: Sequence[Phase]) -> list[str]:
    starts = [start_of(phase.stack.instances) for phase in group]
    if len(group) > 1 and (None in starts or len(set(starts)) < len(starts)):
        return ["not every phase has an acquisition time of its own; check the order of phases"]
    return []
