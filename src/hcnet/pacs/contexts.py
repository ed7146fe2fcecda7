"""Presentation contexts: which classes of objects, in which transfer syntaxes, may travel.

An association has at most 128 (PS3.8, 7.1.1.13). For each, the acceptor picks one of the transfer
syntaxes offered, so a compressed syntax that must not lose to another gets a context of its own.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    EnhancedMRImageStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    ParametricMapStorage,
    RawDataStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import build_context, build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from hcnet.pacs.outgoing import Outgoing

MAX_CONTEXTS = 128

_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_COMPRESSED = (
    RLELossless,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    JPEG2000,
    JPEGLSNearLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)
# What a breast MRI study may hold, for servers that do not tell the classes of their instances.
_USUAL = (
    MRImageStorage,
    EnhancedMRImageStorage,
    SegmentationStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    CTImageStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    RawDataStorage,
)


def to_receive(
    classes: Iterable[str], first: PresentationContext
) -> tuple[list[PresentationContext], list[SCP_SCU_RoleSelectionNegotiation]]:
    """Contexts and roles with which instances may come to us in answer to `first` (C-GET).

    Args:
        classes: SOP classes that the server has listed; the usual ones follow, while there is
            room.
        first: the context of the C-GET itself.
    """
    contexts = [first]
    known = dict.fromkeys([*filter(None, classes), *_USUAL])
    # One syntax after the other, so that many classes cost the rarest syntaxes, not each other.
    for syntaxes in (_PLAIN, *((syntax,) for syntax in _COMPRESSED)):
        for sop_class in known:
            if len(contexts) < MAX_CONTEXTS:
                contexts.append(build_context(UID(sop_class), list(syntaxes)))
    offered = dict.fromkeys(context.abstract_syntax for context in contexts[1:])
    return contexts, [build_role(uid, scp_role=True) for uid in offered if uid is not None]


def to_send(
    items: Sequence[Outgoing],
) -> Iterator[tuple[list[Outgoing], list[PresentationContext]]]:
    """Split what is to be sent into associations, each with the contexts that it needs.

    Every class and transfer syntax of a file gets a context. Files that are not compressed may
    also travel in the two syntaxes that every server has to know, explicit or implicit.
    """
    batch: list[Outgoing] = []
    pairs: dict[tuple[str, str], None] = {}
    for item in items:
        own = [(item.sop_class, item.syntax)]
        if not UID(item.syntax).is_compressed:
            own.extend((item.sop_class, syntax) for syntax in _PLAIN)
        if len(pairs.keys() | set(own)) > MAX_CONTEXTS:
            yield batch, _contexts(pairs)
            batch, pairs = [], {}
        batch.append(item)
        pairs.update(dict.fromkeys(own))
    if batch:
        yield batch, _contexts(pairs)


def _contexts(pairs: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    return [build_context(UID(sop_class), UID(syntax)) for sop_class, syntax in pairs]
