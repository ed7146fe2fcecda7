"""The elements of a plain header, found quickly.

An exam has hundreds of files whose headers are nearly the same. pydicom reads every element of each
with great care; here only lengths are followed, and a value that other files have had before is not
converted again. The conversion itself is pydicom's. Whatever is out of the ordinary is left to
pydicom altogether. Encoding: DICOM PS3.5, chapter 7.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from struct import Struct
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

_KNOWN = {vr.value.encode(): vr.value for vr in VR if len(vr.value) == 2}
_LONG = {vr.value.encode() for vr in EXPLICIT_VR_LENGTH_32}
_SHORT_HEAD, _LONG_HEAD = Struct("<HH2sH").unpack_from, Struct("<HHL").unpack_from
_LENGTH = Struct("<L").unpack_from
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARACTER_SET, _SYNTAX, _PIXELS = 0x00080005, 0x00020010, 0x7FE00010
_PREAMBLE = 132
_DEEPEST = 16
"""Sequences within sequences that are followed."""

Raw = tuple[str | None, bytes]
"""Value representation, where the file says it, and the bytes."""


class Unusual(Exception):  # noqa: N818 (nothing is wrong: another reader takes over)
    """The header is not one of those that are read here."""


class Header:
    """Elements of one file, with values converted when asked for.

    Attributes:
        pixels_at: where the element of the pixels begins in the file; None where there is none.
        syntax: UID of the transfer syntax.
    """

    def __init__(self, elements: Mapping[int, Raw], syntax: str, pixels_at: int | None) -> None:
        self._elements = elements
        self.syntax = syntax
        self.pixels_at = pixels_at

    def get(self, key: str | BaseTag) -> Any:
        """The value, or None where the element is absent; a tag gives a private element too.

        Raises:
            Exception: the value cannot be converted; of many kinds, as pydicom's are.
        """
        tag = _tag_of(key) if isinstance(key, str) else int(key)
        found = None if tag is None else self._elements.get(tag)
        if tag is None or found is None:
            return None
        character_set = self._elements.get(_CHARACTER_SET, (None, b""))[1]
        return _converted(tag, *found, character_set)


def read_header(head: bytes, tags: Collection[int], *, whole: bool) -> Header:
    """The wanted elements before the pixels.

    Args:
        head: the start of a file, or all of it.
        tags: wanted, SpecificCharacterSet among them where texts are.
        whole: `head` is the whole file.

    Raises:
        Unusual: no preamble, not little endian, an element that is not in order, cut off or of an
            unknown kind, a wanted sequence, or the header goes on beyond `head`.
    """
    if head[128:_PREAMBLE] != b"DICM":
        raise Unusual
    meta: dict[int, Raw] = {}
    at = _PREAMBLE
    while head[at : at + 2] == b"\x02\x00":
        tag, vr, start, length = _explicit(head, at)
        at = start + length
        if length == _UNDEFINED or at > len(head):
            raise Unusual
        meta[tag] = vr, head[start:at]
    syntax = UID(meta.get(_SYNTAX, ("UI", b""))[1].rstrip(b"\0 ").decode("ascii", "replace"))
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise Unusual
    if syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        raise Unusual
    element = _implicit if syntax == ImplicitVRLittleEndian else _explicit
    found, pixels_at = _walk(head, at, element, frozenset(tags), whole)
    return Header(meta | found, str(syntax), pixels_at)


_Element = tuple[int, str | None, int, int]
"""Tag, value representation, where the value starts, its length."""


def _explicit(data: bytes, at: int) -> _Element:
    if at + 12 > len(data):
        raise Unusual
    group, number, vr, length = _SHORT_HEAD(data, at)
    known = _KNOWN.get(vr)
    if known is None:
        raise Unusual
    if vr in _LONG:
        return group << 16 | number, known, at + 12, _LENGTH(data, at + 8)[0]
    return group << 16 | number, known, at + 8, length


def _implicit(data: bytes, at: int) -> _Element:
    # Some files say implicit and are explicit; pydicom knows how to tell.
    if at + 8 > len(data) or data[at + 4 : at + 6] in _KNOWN:
        raise Unusual
    group, number, length = _LONG_HEAD(data, at)
    return group << 16 | number, None, at + 8, length


def _walk(
    data: bytes,
    at: int,
    element: Callable[[bytes, int], _Element],
    tags: Collection[int],
    whole: bool,
) -> tuple[dict[int, Raw], int | None]:
    found: dict[int, Raw] = {}
    last = -1
    while not (whole and at == len(data)):
        tag, vr, start, length = element(data, at)
        if tag <= last:
            raise Unusual
        last = tag
        if tag >= _PIXELS:
            return found, at if tag == _PIXELS else None
        if tag in tags and (length == _UNDEFINED or vr == "SQ"):
            raise Unusual
        if length == _UNDEFINED:
            at = _after_sequence(data, start, element, 0)
            continue
        at = start + length
        if at > len(data):
            raise Unusual
        if tag in tags:
            found[tag] = vr, data[start:at]
    return found, None


def _after_sequence(
    data: bytes, at: int, element: Callable[[bytes, int], _Element], depth: int
) -> int:
    """Where the element after a sequence of undefined length begins."""
    if depth > _DEEPEST:
        raise Unusual
    while True:
        if at + 8 > len(data):
            raise Unusual
        group, number, length = _LONG_HEAD(data, at)
        tag = group << 16 | number
        at += 8
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise Unusual
        at = at + length if length != _UNDEFINED else _after_item(data, at, element, depth)


def _after_item(data: bytes, at: int, element: Callable[[bytes, int], _Element], depth: int) -> int:
    while _LONG_HEAD(data, at)[:2] != (_ITEM_END >> 16, _ITEM_END & 0xFFFF):
        _, _, start, length = element(data, at)
        at = start + length
        if length == _UNDEFINED:
            at = _after_sequence(data, start, element, depth + 1)
        if at + 8 > len(data):
            raise Unusual
    return at + 8


_tag_of = lru_cache(maxsize=1024)(tag_for_keyword)


@lru_cache(maxsize=8192)
def _converted(tag: int, vr: str | None, value: bytes, character_set: bytes) -> Any:
    """The value as pydicom converts it."""
    key = BaseTag(tag)
    known: Any = value or empty_value_for_VR(vr, raw=True)
    raw = RawDataElement(key, vr, len(value), known, 0, vr is None, True)
    dataset = Dataset({key: raw})
    if character_set:
        text = character_set.decode("ascii", "replace").rstrip(" \0")
        dataset.set_original_encoding(vr is None, True, convert_encodings(text.split("\\")))
    found = dataset[key]
    return found.value if isinstance(found, DataElement) else found
