"""UIDs that may become part of a path or of a web address."""

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LENGTH = 64


def is_uid(text: str) -> bool:
    """Whether `text` is a UID: numbers and single dots, at most 64 characters (PS3.5, 9.1).

    A leading zero in a number is let pass: the standard forbids it, old scanners write it, and it
    does no harm in a path.
    """
    return len(text) <= _LENGTH and _UID.fullmatch(text) is not None
