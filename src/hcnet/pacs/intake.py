"""What a server sends, checked before it becomes a file. A server may be broken or mean harm."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from hcnet.errors import ServerError
from hcnet.pacs.server import Reference
from hcnet.pacs.study import shown
from hcnet.volumes.dicom.values import quiet, text

MAX_INSTANCE_BYTES = 1024**3
"""A whole enhanced MR series of 1000 slices of 512 x 512 has half of this."""
MAX_TOTAL_BYTES = 64 * 1024**3

_BLOCK = 1 << 20
_META_LENGTH = Tag("FileMetaInformationGroupLength")
_META_STARTS = 128 + 4 + 12  # preamble, DICM, the element that gives the length (PS3.10, 7.1)
_TAGS: list[BaseTag] = [Tag(k) for k in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID")]


class Intake:
    """Takes the instances of one study and writes each to `folder`, named by its UID.

    Attributes:
        folder: where the files go.
        received: SOP Instance UIDs so far.
        size: bytes so far.
    """

    def __init__(self, folder: Path, server: str, references: Sequence[Reference]) -> None:
        self.folder = folder
        self.received: set[str] = set()
        self.size = 0
        self._server = server
        self._awaited = {reference.sop_uid: reference for reference in references}

    def take(self, data: bytes) -> None:
        """Write one instance, the bytes of a DICOM file, as they are.

        Only instances that the server has listed are taken, and so their UIDs are legal. One that
        comes twice is one file.

        Raises:
            ServerError: not DICOM, not awaited, of another study, or too large.
        """
        self.size += len(data)
        if len(data) > MAX_INSTANCE_BYTES or self.size > MAX_TOTAL_BYTES:
            raise ServerError(
                f"{self._server}: sends more than a study can have "
                f"({self.size / 1e9:.1f} GB so far); nothing was kept."
            )
        incoming = self.folder / "incoming"
        incoming.write_bytes(data)
        header = self._header(incoming)
        uid = text(header, "SOPInstanceUID")
        reference = self._awaited.get(uid)
        if reference is None:
            raise ServerError(
                f"{self._server}: sends an instance that was not asked for "
                f"({shown(uid) or 'without UID'}); nothing was kept."
            )
        study = text(header, "StudyInstanceUID")
        if study != reference.study:
            raise ServerError(
                f"{self._server}: sends instance {uid} of another study "
                f"({shown(study) or 'without UID'}) than the one asked for; nothing was kept."
            )
        self.received.add(uid)
        incoming.replace(self.folder / f"{uid}.dcm")

    def require_complete(self) -> None:
        """Check that everything listed has come.

        Raises:
            ServerError: something is missing.
        """
        missing = sorted(set(self._awaited) - self.received)
        if missing:
            raise ServerError(
                f"{self._server}: {len(missing)} of {len(self._awaited)} instances did not come, "
                f"{missing[0]} among them; nothing was kept, try again."
            )

    def _header(self, path: Path) -> FileDataset:
        try:
            with quiet():
                meta = read_file_meta_info(path)
                if text(meta, "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                    self._check_inflated(path, _META_STARTS + int(meta[_META_LENGTH].value))
                return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        except ServerError:
            raise
        # pydicom meets damage with many errors, struct.error and its own among them.
        except Exception as error:
            raise ServerError(
                f"{self._server}: sends something that is not DICOM "
                f"({shown(' '.join(str(error).split()))}); nothing was kept."
            ) from error

    def _check_inflated(self, path: Path, start: int) -> None:
        """Refuse a small file that unpacks to an absurd size, before pydicom unpacks it."""
        unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        with path.open("rb") as stream:
            stream.seek(start)
            rest = stream.read(_BLOCK)
            while rest and not unpacker.eof:
                size += len(unpacker.decompress(rest, _BLOCK))
                if size > MAX_INSTANCE_BYTES:
                    raise ServerError(
                        f"{self._server}: sends an instance that unpacks to more than "
                        f"{MAX_INSTANCE_BYTES / 1e9:.1f} GB; nothing was kept."
                    )
                rest = unpacker.unconsumed_tail or stream.read(_BLOCK)
