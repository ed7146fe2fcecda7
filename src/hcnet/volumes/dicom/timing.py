"""When the phases were acquired, when contrast came, and which phase is pre-contrast."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hcnet.errors import InputError
from hcnet.volumes.dicom.contrast import doubt, named_before, sign_of_contrast
from hcnet.volumes.dicom.headers import Instance
from hcnet.volumes.dicom.phases import start_of
from hcnet.volumes.dicom.stacks import Stack

_DIFFERS_S = 5.0
"""Stored phase times and acquisition times may differ by this much before a warning."""


@dataclass(frozen=True)
class Times:
    """Acquisition times of the phases.

    Attributes:
        seconds: one per phase, rising; None where unknown.
        origin: what zero is; "first" is the first phase.
        why: where they come from, in words.
        warning: what is doubtful about them, or None.
    """

    seconds: tuple[float, ...] | None
    origin: Literal["injection", "first", "unknown"]
    why: str
    warning: str | None = None


def times_of(stacks: Sequence[Stack], study: Sequence[Instance]) -> Times:
    """Acquisition times of phases in their order of time.

    Known relative to the injection where a derived series of the study lists them (UCSF's private
    element (0117,1034), as in I-SPY1) or a phase gives ContrastBolusStartTime; otherwise relative
    to the first phase.

    Args:
        stacks: the phases, in order of time.
        study: all instances of the study.
    """
    clock, source = _clock(stacks)
    stored = _stored(study, len(stacks))
    if stored is not None:
        why = "relative to the injection, listed in (0117,1034) of the derived series"
        if clock is None:
            return Times(stored, "injection", why)
        apart = max(abs((s - stored[0]) - t) for s, t in zip(stored, clock, strict=True))
        warning = None
        if apart > _DIFFERS_S:
            warning = (
                f"the phase times in (0117,1034) differ by up to {apart:.0f} s from the "
                f"{source}; the former are used"
            )
        return Times(stored, "injection", f"{why}; {source} agrees to {apart:.1f} s", warning)
    if clock is None:
        return Times(None, "unknown", "no header element rises from phase to phase")
    injected = next((i.injected_s for s in stacks for i in s.instances if i.injected_s), None)
    start = start_of(stacks[0].instances)
    if injected is not None and start is not None and source == "AcquisitionTime":
        relative = tuple(start + t - injected for t in clock)
        # Some scanners fill in the start of the series: only a time between phases can be right.
        if relative[0] <= 0 < relative[-1]:
            return Times(relative, "injection", f"{source} after ContrastBolusStartTime")
    return Times(clock, "first", f"{source} after that of the first phase")


def pre_of(stacks: Sequence[Stack], times: Times) -> tuple[int, str, str | None]:
    """Index of the pre-contrast phase, the reason, and a doubt where there is one.

    If several phases precede the contrast, the last of them is taken.
    """
    if len(stacks) == 1:
        sign = sign_of_contrast(stacks[0])
        if sign is None and any(i.contrast_agent for i in stacks[0].instances):
            sign = "it is the only one and its header names a contrast agent"
        return 0, "the only phase", doubt(sign)
    if times.origin == "injection" and times.seconds is not None:
        before = [index for index, t in enumerate(times.seconds) if t <= 0]
        if before:
            return before[-1], "the last phase before the injection", None
    agents = [any(i.contrast_agent for i in stack.instances) for stack in stacks]
    first_with = agents.index(True) if True in agents else 0
    if first_with > 0 and all(agents[first_with:]):
        return first_with - 1, "the last phase whose header names no contrast agent", None
    named = [i for i, s in enumerate(stacks) if named_before(s.instances[0].description)]
    if named and len(named) < len(stacks):
        late = None
        if named[-1] >= len(named):
            late = "a phase named as pre-contrast was acquired after others; say which one is pre"
        return named[-1], "its series description says pre-contrast", late
    return 0, "the earliest phase", doubt(sign_of_contrast(stacks[0]))


def given_times(seconds: Sequence[float], phases: int, pre: int) -> Times:
    """Times that the user gives; relative to the injection unless the pre phase's is 0.

    Raises:
        InputError: not one for each phase, or not rising.
    """
    if len(seconds) != phases:
        raise InputError(
            f"{len(seconds)} acquisition times are given for {phases} phases; give one for each."
        )
    if any(b <= a for a, b in pairwise(seconds)):
        raise InputError(f"the given acquisition times do not rise: {list(seconds)}.")
    given = tuple(float(t) for t in seconds)
    if given[pre] == 0:
        return Times(given, "first", "given by the user")
    return Times(given, "injection", "given by the user, taken as relative to the injection")


def _clock(stacks: Sequence[Stack]) -> tuple[tuple[float, ...] | None, str]:
    """Seconds after the first phase from the first header element that rises, and its name."""
    columns: list[tuple[str, list[float | None]]] = [
        ("AcquisitionTime", [start_of(s.instances) for s in stacks]),
        ("TriggerTime", [_least([i.trigger_s for i in s.instances]) for s in stacks]),
        ("ContentTime", [_least([i.content_s for i in s.instances]) for s in stacks]),
        ("TemporalPositionIdentifier x TemporalResolution", [_temporal(s) for s in stacks]),
    ]
    for name, column in columns:
        known = [value for value in column if value is not None]
        rises = all(b > a for a, b in pairwise(known))
        if len(known) == len(stacks) and rises:
            return tuple(value - known[0] for value in known), name
    return None, ""


def _least(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _temporal(stack: Stack) -> float | None:
    first = stack.instances[0]
    if not first.temporal_position or not first.temporal_resolution:
        return None
    return first.temporal_position * first.temporal_resolution / 1000.0


def _stored(study: Sequence[Instance], phases: int) -> tuple[float, ...] | None:
    for instance in study:
        times = instance.phase_times_s
        if len(times) == phases and all(b > a for a, b in pairwise(times)):
            return times
    return None
