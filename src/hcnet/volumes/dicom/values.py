"""Values of a DICOM header, read tolerantly: what breaks the standard counts as absent."""

import logging
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, BinaryIO, Protocol

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from hcnet.errors import InputError
from hcnet.volumes.dicom.files import DicomFile

Key = str | BaseTag


class Elements(Protocol):
    """A header, or an item of a sequence."""

    def get(self, key: Key, /) -> Any:
        """The element or its value; None where it is absent."""
        ...


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's remarks on values that break the standard but can be read."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def parse(
    file: DicomFile,
    stream: BinaryIO,
    tags: list[BaseTag] | None = None,
    *,
    pixels: bool = True,
) -> FileDataset:
    """Parse a DICOM file, or, where `tags` are given, only these elements before the pixels.

    Args:
        file: for messages.
        stream: its content.
        tags: elements that are wanted; None is all.
        pixels: whether all includes the pixels.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with quiet():
            return pydicom.dcmread(
                stream,
                stop_before_pixels=tags is not None or not pixels,
                specific_tags=tags,
                force=True,
            )
    # pydicom meets damage with many errors, struct.error and its own among them.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file.location}: is damaged DICOM ({reason}); remove the file or copy it again."
        ) from error


def value_of(dataset: Elements, key: Key) -> Any:
    """The element's value, or None where it is absent or cannot be converted."""
    try:
        found = dataset.get(key)
        return found.value if isinstance(found, DataElement) else found
    except Exception:  # damaged headers fail in many ways; in all of them the value is not there
        return None


def items_of(value: Any) -> Iterator[Any]:
    """The parts of a value that may be single, multiple or absent."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        yield from value
    elif value is not None:
        yield value


def text(dataset: Elements, key: Key) -> str:
    """The value as one line, or an empty string."""
    value = value_of(dataset, key)
    if value is None:
        return ""
    if isinstance(value, MultiValue):
        value = " ".join(str(item) for item in value)
    return str(value).replace("\0", "").strip()


def texts(dataset: Elements, key: Key) -> tuple[str, ...]:
    """The parts of the value in upper case."""
    parts = (str(item).strip().upper() for item in items_of(value_of(dataset, key)))
    return tuple(part for part in parts if part)


def floats(value: Any) -> Iterator[float]:
    """The finite numbers that `value` starts with."""
    for item in items_of(value):
        try:
            converted = float(item)
        except (ValueError, TypeError, OverflowError):
            return
        if not math.isfinite(converted):
            return
        yield converted


def numbers(dataset: Elements, key: Key, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers, or None."""
    found = tuple(floats(value_of(dataset, key)))
    return found if len(found) == count else None


def number(dataset: Elements, key: Key) -> float | None:
    """The value, or its first part, as a finite number."""
    return next(floats(value_of(dataset, key)), None)


def integer(dataset: Elements, key: Key) -> int | None:
    """As `number`, cut to an integer."""
    found = number(dataset, key)
    return None if found is None else int(found)


def moment(dataset: Elements, prefix: str) -> float | None:
    """Seconds since year 1 of `<prefix>DateTime`, or of `<prefix>Date` and `<prefix>Time`."""
    combined = text(dataset, f"{prefix}DateTime")
    if len(combined) >= 14:
        return seconds_at(combined[:8], combined[8:].split("+")[0].split("-")[0])
    day = text(dataset, f"{prefix}Date") or text(dataset, "StudyDate")
    return seconds_at(day, text(dataset, f"{prefix}Time"))


def seconds_at(day: str, clock: str) -> float | None:
    """Seconds since year 1 of a DICOM date (YYYYMMDD) and time (HHMMSS.FFFFFF).

    Without a readable date it is the time of day; without a readable time, None.
    """
    digits = clock.replace(":", "")
    if len(digits) < 4 or not digits.replace(".", "", 1).isdecimal():
        return None
    try:
        seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + float(digits[4:] or 0)
    except ValueError:
        return None
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:8])).toordinal() * 86400 + seconds
    except ValueError:
        return seconds


def segments_of(dataset: Elements) -> tuple[tuple[int, str], ...]:
    """Number and label of each segment in the header of a segmentation object."""
    found = []
    for item in items_of(value_of(dataset, "SegmentSequence")):
        identifier = integer(item, "SegmentNumber")
        if identifier is not None:
            found.append((identifier, text(item, "SegmentLabel")))
    return tuple(found)
