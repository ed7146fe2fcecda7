"""How the images of one series split into phases."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hcnet.errors import InputError
from hcnet.volumes.dicom.headers import Instance
from hcnet.volumes.dicom.stacks import Stack, along, label, normal_of, stack_slices

_SAME_POSITION_MM = 0.02

_Place = list[Instance]  # the images at one slice position


@dataclass(frozen=True, eq=False)
class Split:
    """Phases of one series, in order of time as far as the headers tell.

    Attributes:
        stacks: one per phase.
        why: how they were told apart, in words.
        warning: what is doubtful about it, or None.
    """

    stacks: tuple[Stack, ...]
    why: str
    warning: str | None = None


_TAGS: tuple[tuple[str, Callable[[Instance], float | None]], ...] = (
    ("TemporalPositionIdentifier", lambda i: i.temporal_position),
    ("AcquisitionNumber", lambda i: i.acquisition_number),
    ("TriggerTime", lambda i: i.trigger_s),
    ("AcquisitionTime", lambda i: i.acquired_s),
    ("ContentTime", lambda i: i.content_s),
)


def split_phases(instances: Sequence[Instance], name: str, count: int | None = None) -> Split:
    """Split a series in which every slice position may occur once per phase.

    The first header element that gives each phase exactly one image at each position decides:
    TemporalPositionIdentifier, AcquisitionNumber, TriggerTime, AcquisitionTime, ContentTime. Where
    none does, the images at each position are counted off by InstanceNumber, as I-SPY1 needs (its
    AcquisitionNumber is shared by the post-contrast phases and its AcquisitionTime drifts within
    a phase).

    Args:
        instances: all images of the series.
        name: the series, for messages.
        count: the number of phases, where the user says so.

    Raises:
        InputError: a slice is missing from a phase or occurs too often, or the images of one
            position cannot be told apart; also what `stack_slices` raises.
        GeometryError: as `stack_slices`.
    """
    places = _places(instances)
    number = _repeats(places, name, count)
    if number == 1:
        stack = stack_slices(instances, name)
        return Split((stack,), f"each of its {len(places)} slice positions occurs once")
    repeated = f"each of its {len(places)} slice positions occurs {number} times"
    for tag, value in _TAGS:
        groups = _by_tag(places, value, number)
        if groups:
            return Split(_stacks(groups, name), f"{repeated}; {tag} tells the phases apart")
    groups = _by_rank(places, name, number)
    apart = _apart(groups)
    why = f"{repeated}; the images at each position are counted off by InstanceNumber"
    if apart:
        why += ", and the acquisition times of the phases so made do not overlap"
    doubt = (
        None
        if apart is not False
        else (
            f"{name}: the acquisition times of its phases overlap, so the split by InstanceNumber "
            "may be wrong; check it, or give the phases as separate series"
        )
    )
    return Split(_stacks(groups, name), why, doubt)


def _places(instances: Sequence[Instance]) -> list[_Place]:
    normal = normal_of(instances[0])
    places: list[_Place] = []
    last = float("-inf")
    for instance in sorted(instances, key=lambda i: along(i, normal)):
        position = along(instance, normal)
        if position - last > _SAME_POSITION_MM:
            places.append([])
        places[-1].append(instance)
        last = position
    return places


def _repeats(places: Sequence[_Place], name: str, count: int | None) -> int:
    counts = Counter(len(place) for place in places)
    number = count or max(counts, key=lambda n: (counts[n], n))
    if number == 1 and count is None:
        return 1  # a stray duplicate among single slices is reported by the stack
    normal = normal_of(places[0][0])
    for index, place in enumerate(places):
        if len(place) == number:
            continue
        position = along(place[0], normal)
        labels = ", ".join(label(instance) for instance in place)
        if count is not None and counts[len(place)] == len(places):
            raise InputError(
                f"{name}: each slice position occurs {len(place)} times, which does not make "
                f"{count} phases."
            )
        if len(place) > number:
            raise InputError(
                f"{name}: the slice at {position:.1f} mm occurs {len(place)} times ({labels}), the "
                f"others {number} times; remove the duplicates."
            )
        lacking = _lacking(places, index, number)
        where = f"phase {lacking + 1} lacks" if lacking is not None else "a phase lacks"
        raise InputError(
            f"{name}: {where} the slice at {position:.1f} mm along the slice normal, which occurs "
            f"only {len(place)} of {number} times ({labels}); copy the exam again."
        )
    return number


def _lacking(places: Sequence[_Place], index: int, number: int) -> int | None:
    """Which phase has no image at place `index`, judged by a complete neighbour's instances."""
    complete = [i for i, place in enumerate(places) if len(place) == number]
    if not complete:
        return None
    neighbour = places[min(complete, key=lambda i: abs(i - index))]
    order = [i.instance_number for i in [*neighbour, *places[index]]]
    if None in order:
        return None
    theirs = sorted(i.instance_number or 0 for i in neighbour)
    taken = set()
    for instance in places[index]:
        own = instance.instance_number or 0
        taken.add(min(range(number), key=lambda rank: abs(theirs[rank] - own)))
    missing = set(range(number)) - taken
    return missing.pop() if len(missing) == 1 else None


def _by_tag(
    places: Sequence[_Place], value: Callable[[Instance], float | None], number: int
) -> list[_Place]:
    """The phases by one header element, or nothing where it does not fit."""
    groups: dict[float, _Place] = {}
    for place in places:
        values = {value(instance) for instance in place}
        if len(values) != number or None in values:
            return []
        for instance in place:
            groups.setdefault(value(instance) or 0.0, []).append(instance)
    if len(groups) != number:
        return []
    return _in_time([groups[key] for key in sorted(groups)])


def _by_rank(places: Sequence[_Place], name: str, number: int) -> list[_Place]:
    groups: list[_Place] = [[] for _ in range(number)]
    for place in places:
        numbers = [instance.instance_number for instance in place]
        if None in numbers or len(set(numbers)) != number:
            raise InputError(
                f"{name}: the {number} images at one slice position cannot be told apart by time, "
                "acquisition or instance number; give the phases as separate series."
            )
        ranked = sorted(place, key=lambda instance: instance.instance_number or 0)
        for group, instance in zip(groups, ranked, strict=True):
            group.append(instance)
    return groups


def _in_time(groups: list[_Place]) -> list[_Place]:
    starts = [start_of(group) for group in groups]
    known = [start for start in starts if start is not None]
    if len(set(known)) < len(groups):
        return groups
    return sorted(groups, key=lambda group: start_of(group) or 0.0)


def _apart(groups: Sequence[_Place]) -> bool | None:
    """Whether the phases follow each other in time; None where times are not known."""
    spans = []
    for group in groups:
        times = [i.acquired_s for i in group if i.acquired_s is not None]
        if len(times) < len(group):
            return None
        spans.append((min(times), max(times)))
    if len({start for start, _ in spans}) == 1:
        return None  # one time for all says nothing
    return all(a[1] < b[0] for a, b in pairwise(spans))


def start_of(group: Sequence[Instance]) -> float | None:
    """Earliest acquisition time of a phase in seconds, or None where an image has none."""
    times = [i.acquired_s for i in group if i.acquired_s is not None]
    return min(times) if len(times) == len(group) else None


def _stacks(groups: Sequence[_Place], name: str) -> tuple[Stack, ...]:
    return tuple(
        stack_slices(group, f"{name}, phase {number}") for number, group in enumerate(groups, 1)
    )
