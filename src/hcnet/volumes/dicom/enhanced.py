"""Enhanced multi-frame DICOM: one file of many frames, each read as the slice that it is.

What a slice's own file says in plain elements stands here in functional groups, for each frame or
shared by all (DICOM PS3.3, C.7.6.16). A `Frame` finds it again under the name that it has in a file
of one slice, so that nothing else needs to know.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from hcnet.errors import InputError
from hcnet.volumes.dicom.files import DicomFile
from hcnet.volumes.dicom.values import Key, items_of, text, value_of

ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR Image Storage
    "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR Image Storage
}
_PER_FRAME, _SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
_CONVERTED = {
    "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
}
"""What a converter of old files found no place for; it also holds what it replaced."""
_ALSO_CALLED = {
    "ImageType": "FrameType",
    "EchoTime": "EffectiveEchoTime",
    "AcquisitionDateTime": "FrameAcquisitionDateTime",
    "AcquisitionNumber": "FrameAcquisitionNumber",
    "TemporalPositionIdentifier": "TemporalPositionIndex",
}
"""Element of one slice: that of a frame, which says more than one of the whole file."""
_PULSES = {"GRADIENT": "GR", "SPIN": "SE", "BOTH": "SE GR"}


class Frame:
    """The elements of one frame (`values.Elements`).

    Args:
        dataset: the file.
        number: of the frame, from 0.
        groups: its functional groups; of two that name an element the later one counts.
    """

    def __init__(self, dataset: Dataset, number: int, groups: Iterable[Dataset]) -> None:
        self._dataset = dataset
        self._number = number
        self._own: dict[str, Any] = {}
        self._converted: dict[str, Any] = {}
        for group in groups:
            for macro, name, value in _elements(group):
                kept = self._converted if macro in _CONVERTED else self._own
                kept[name] = value

    def get(self, key: Key, /) -> Any:
        """The frame's element, else the file's, else that of what it was converted from."""
        if not isinstance(key, str):
            return self._dataset.get(key)
        if key == "InstanceNumber":
            return self._number + 1
        if key == "NumberOfFrames":
            return 1
        if key == "ScanningSequence":
            return self._pulses()
        if key == "ContrastBolusAgent":
            return self._agent()
        for name in (_ALSO_CALLED.get(key), key):
            if name in self._own:
                return self._own[name]
        found = self._dataset.get(key)
        return self._converted.get(key) if found is None else found

    def _pulses(self) -> Any:
        """Gradient or spin echo, and whether it is echo-planar, as `ScanningSequence` says it."""
        kinds = _PULSES.get(text(self._dataset, "EchoPulseSequence"), "").split()
        if text(self._dataset, "EchoPlanarPulseSequence") == "YES":
            kinds.append("EP")
        return kinds or self._converted.get("ScanningSequence")

    def _agent(self) -> str:
        """Whether contrast agent is in the frame, not only somewhere in the file."""
        if text(self, "ContrastBolusAgentAdministered") == "YES":
            return "administered"
        return str(self._converted.get("ContrastBolusAgent", ""))


def frames_of(file: DicomFile, dataset: Dataset) -> list[Frame]:
    """All frames of an enhanced file.

    Raises:
        InputError: there are not as many groups as frames.
    """
    per_frame = list(items_of(value_of(dataset, _PER_FRAME)))
    shared = list(islice(items_of(value_of(dataset, _SHARED)), 1))
    count = len(per_frame)
    told = value_of(dataset, "NumberOfFrames")
    if not count or str(told) != str(count):
        raise InputError(
            f"{file.location}: says that it has {told} frames and describes {count}; "
            "the file is damaged."
        )
    return [Frame(dataset, n, (*shared, group)) for n, group in enumerate(per_frame)]


def _elements(group: Dataset) -> Iterator[tuple[str, str, Any]]:
    """The macros of a functional group, e.g. the plane's position, and each one's elements."""
    for macro in list(group.keys()):
        for item in islice(items_of(value_of(group, macro)), 1):
            if isinstance(item, Dataset):
                # Not the elements themselves: converting a damaged one would raise.
                for tag in list(item.keys()):
                    yield keyword_for_tag(macro), keyword_for_tag(tag), value_of(item, tag)
