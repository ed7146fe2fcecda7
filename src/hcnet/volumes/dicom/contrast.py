"""What headers tell of contrast agent: names of series, numbers and times of images."""

import re

from hcnet.volumes.dicom.phases import start_of
from hcnet.volumes.dicom.stacks import Stack

_BEFORE = re.compile(
    r"(^|[^a-z])(pre|precontrast|pre-contrast|without|w/o|nativ|native|unenhanced|baseline)"
    r"([^a-z]|$)",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(^|[^a-z])(post|postcontrast|post-contrast|with contrast|gd|gad|delayed)([^a-z]|$)|\+ ?c\b",
    re.IGNORECASE,
)
_AFTER_BOLUS_S = 10.0
"""Some scanners fill in the start of the series; an image this much later is a sign."""


def named_before(description: str) -> bool:
    """Whether a series or file says that it is from before contrast."""
    return bool(_BEFORE.search(description))


def named_after(description: str) -> bool:
    """Whether a series or file says that it is from after contrast."""
    return bool(_AFTER.search(description)) and not named_before(description)


def doubt(sign: str | None) -> str | None:
    """What a user is told of a sign of contrast in the phase that is taken as pre-contrast."""
    if sign is None:
        return None
    return f"the phase taken as pre-contrast may be from after contrast: {sign}"


def sign_of_contrast(stack: Stack) -> str | None:
    """Why the earliest phase that is there may be from after contrast; None where nothing says so.

    A phase that was taken out of its exam looks like an exam of one phase, but its images keep
    their numbers and times.
    """
    first = stack.instances[0]
    if named_before(first.description):
        return None
    if named_after(first.description):
        return f'its series is described as "{first.description}"'
    positions = [i.temporal_position for i in stack.instances if i.temporal_position is not None]
    if positions and min(positions) > 1:
        return f"its temporal position is {min(positions):.0f}, not 1"
    numbers = [i.instance_number for i in stack.instances if i.instance_number is not None]
    whole = len(numbers) == len(stack.instances) > 1
    if whole and min(numbers) > len(numbers):
        return f"its images are numbered from {min(numbers)}, as those of a later phase"
    injected = next((i.injected_s for i in stack.instances if i.injected_s is not None), None)
    start = start_of(stack.instances)
    if injected is not None and start is not None and start > injected + _AFTER_BOLUS_S:
        return f"it was acquired {start - injected:.0f} s after the contrast bolus"
    return None
