"""The DICOM files that are to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag, Tag

from hcnet.errors import InputError
from hcnet.pacs.uids import is_uid
from hcnet.volumes.dicom.files import DicomFile, is_dicom, list_files, open_files, reading
from hcnet.volumes.dicom.values import parse, quiet, text

_DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR: an index of a medium, not an object
_UNDEFINED = 0xFFFFFFFF  # a length that the standard leaves open (PS3.5, 7.1.1)
_TAGS: list[BaseTag] = [Tag("SOPClassUID"), Tag("SOPInstanceUID")]


@dataclass(frozen=True)
class Outgoing:
    """An instance to send: its file, its UIDs and the transfer syntax that it is written in."""

    file: DicomFile
    sop_class: str
    sop_uid: str
    syntax: str

    def read(self) -> bytes:
        """The whole file.

        Raises:
            InputError: it cannot be read any more, is damaged behind its header, or ends too
                early: half an image must not become part of a patient's study.
        """
        data = b""
        for file, stream in open_files([self.file]):
            with reading(file):
                data = stream.read()
        dataset = parse(self.file, BytesIO(data))
        # Of a compressed object that is cut, pydicom gives nothing; of another, the cut value.
        if "SOPInstanceUID" not in dataset or any(map(_is_cut, dataset.values())):
            raise InputError(f"{self.file.location}: ends too early; copy it again.")
        return data


def _is_cut(element: DataElement | RawDataElement) -> bool:
    if isinstance(element, DataElement) or element.length == _UNDEFINED:
        return False
    return element.length != len(element.value or b"")


def collect(paths: Sequence[Path]) -> list[Outgoing]:
    """All DICOM files in files, folders and zips; other files in folders and zips are left.

    A copy of an object that was met before is left too: an archive has each once.

    Raises:
        InputError: a path is missing, a file given by its name is not DICOM, one cannot be sent
            as it is, or there is none.
    """
    found: dict[str, Outgoing] = {}
    for path in paths:
        for file, stream in open_files(list_files(path)):
            with reading(file):
                dicom = is_dicom(stream)
            if not dicom:
                if file == DicomFile(path):
                    raise InputError(f"{path}: is not DICOM; give DICOM files, folders or zips.")
                continue
            with quiet():
                header = parse(file, stream, _TAGS)
                syntax = text(header.file_meta, "TransferSyntaxUID")
                sop_class, uid = text(header, "SOPClassUID"), text(header, "SOPInstanceUID")
            if text(header.file_meta, "MediaStorageSOPClassUID") == _DIRECTORY:
                continue
            if not (is_uid(syntax) and is_uid(sop_class) and is_uid(uid)):
                raise InputError(
                    f"{file.location}: has no transfer syntax, class or UID in its header, so no "
                    "server would take it; leave it out or write it anew (dcmconv)."
                )
            found.setdefault(uid, Outgoing(file, sop_class, uid, syntax))
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: holds no DICOM file to send.")
    return list(found.values())
