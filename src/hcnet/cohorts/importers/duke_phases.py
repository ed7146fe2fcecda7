"""Which series of an exam of Duke-Breast-Cancer-MRI are its phases."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hcnet.cohorts.dicom_exam import ExamDescription, describe_exam
from hcnet.cohorts.importers.duke_tables import MappedSeries
from hcnet.cohorts.importers.importer import Item
from hcnet.errors import InputError
from hcnet.volumes.dicom.headers import Instance, scan


def describe(item: Item) -> tuple[ExamDescription, list[str]]:
    """The exam by the mapping file, or by its headers where that does not help, and the reason.

    Args:
        item: its part `mapped` lists what the mapping file says of it.

    Raises:
        HcnetError: as `describe_exam`.
    """
    mapped = [MappedSeries(*one) for one in item.parts["mapped"] or []]
    if not mapped:
        told = "The mapping file does not name its series; they were chosen by their headers."
        return describe_exam(item.place), [told]
    try:
        numbers = _numbers(item.place, mapped)
    except InputError as error:
        told = f"The mapping file cannot be used ({error}); the series were chosen by their headers"
        return describe_exam(item.place), [f"{told}."]
    labels = list(dict.fromkeys(one.label for one in mapped))
    found = describe_exam(
        item.place, series=list(dict.fromkeys(numbers)), phases=len(labels), pre=0
    )
    named = ", ".join(labels)
    described = replace(
        found,
        dynamic_why=f"the mapping file names them {named}",
        pre_why="the one that the mapping file calls pre",
    )
    if len(set(numbers)) == 1:  # all in one series: it is split as any other
        return described, []
    by_number = {row.series_number: row for row in described.phases}
    phases = tuple(by_number[number] for number in numbers)
    return _in_order(replace(described, phases=phases)), []


def _in_order(description: ExamDescription) -> ExamDescription:
    """The description without its times where they contradict the order of the phases."""
    times = [row.time_s for row in description.phases]
    if all(a is not None and b is not None and a < b for a, b in pairwise(times)):
        return description
    return replace(
        description,
        phases=tuple(replace(row, time_s=None) for row in description.phases),
        times_from="unknown",
        times_why="left, because they do not rise in the order of the mapping file",
    )


def _numbers(study: Path, mapped: Sequence[MappedSeries]) -> list[int]:
    """SeriesNumber of each mapped series.

    A series is known by its UID wherever it lies, or else by the name of its folder.

    Raises:
        InputError: a series is not there or cannot be told from another.
    """
    labels = [one.label for one in mapped]
    if labels[0] != "pre" or len(labels) < 2:
        raise InputError("it does not name a series pre and others")
    if len(set(labels)) < len(labels):
        raise InputError("it names several series for one phase")
    on_disk = list(_first_headers(study))
    number_of = {first.series_uid: first.series_number for _, first in on_disk}
    numbers = []
    for one in mapped:
        named = {first.series_uid for folder, first in on_disk if folder == one.folder}
        uids = {one.uid} & set(number_of) or named
        number = number_of[min(uids)] if len(uids) == 1 else None
        if number is None:
            what = one.folder or one.uid
            raise InputError(f"its {one.label}, series {what[:80]!r}, is not there once")
        numbers.append(number)
    # Either each phase has a series, or all are in one; a number stands for one series.
    taken = [number for number in number_of.values() if number in numbers]
    if len(set(taken)) < len(taken) or len(taken) not in (1, len(numbers)):
        raise InputError("its series cannot be told apart by their numbers")
    return numbers


def _first_headers(study: Path) -> Iterator[tuple[str, Instance]]:
    """Name of each folder with DICOM in it, and the header of its first file."""
    for parent, folders, names in os.walk(study):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            if name.startswith("."):
                continue
            try:
                yield Path(parent).name, scan(Path(parent) / name).instances[0]
            except InputError:
                continue  # not DICOM; if it is a damaged slice, reading the exam will say so
            break
