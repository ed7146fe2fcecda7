"""Why a server did not do what was asked, in words.

Codes as in DICOM PS3.4, tables B.2-1 (store), C.4-1 (find) and C.4-3 (get), and PS3.7, annex C;
DICOMweb uses the same (PS3.18, 10.5.3).
"""

_STORE = {
    0x0110: "it could not process it",
    0x0111: "it has this instance already",
    0x0117: "the instance's UID is invalid",
    0x0122: "it does not store this class of objects",
    0x0124: "it does not allow us to",
    0x0210: "the message came twice",
    0x0211: "it does not know how to store",
    0x0212: "an argument was mistyped",
    0xC122: "it does not take this transfer syntax",
}
_STORE_GROUPS = {
    0xA700: "it has no room or is too busy",
    0xA900: "the object does not fit its class",
    0xB000: "it changed or dropped elements",
    0xC000: "it cannot understand the object",
}


_QUERY_GROUPS = {
    0x0100: "it does not allow us to, or does not offer it",
    0xA700: "it has no room or is too busy",
    0xA900: "the request does not fit the service",
    0xC000: "it cannot process the request",
    0xFE00: "it was cancelled",
}


def store_reason(code: int) -> str:
    """Why an instance was not stored, or only with changes: half a sentence and the number."""
    return _in_words(_STORE.get(code), _STORE_GROUPS, code)


def query_reason(code: int) -> str:
    """Why a search or a retrieval failed: half a sentence and the number."""
    return _in_words(None, _QUERY_GROUPS, code)


def _in_words(words: str | None, groups: dict[int, str], code: int) -> str:
    words = words or groups.get(code & 0xFF00) or groups.get(code & 0xF000)
    return f"{words or 'for a reason of its own'} (0x{code:04X})"
