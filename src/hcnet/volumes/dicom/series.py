"""Series: which images belong together, and what kind of image they are."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hcnet.errors import HcnetError
from hcnet.volumes.dicom.headers import Instance
from hcnet.volumes.dicom.segmentation import SOP_CLASS as SEGMENTATION_CLASS
from hcnet.volumes.dicom.stacks import LPS_TO_RAS, along, normal_of
from hcnet.volumes.volume import Grid

MIN_SLICES = 6
"""A volume with fewer slices is taken for a locator."""

# Gradient-echo T1 series of breast protocols have TE 1-8 ms and TR 3-300 ms; T2 has TE above 60.
_MAX_TE_MS = 20.0
_MAX_TR_MS = 500.0
_COMPUTED = frozenset({"SUB", "SUBTRACTION", "MIP", "MPR"})
_COMPONENT = _COMPUTED | {"P", "PHASE", "R", "REAL", "I", "IMAGINARY"}
_COMPONENT |= {"W", "WATER", "F", "FAT", "IP", "IN_PHASE", "OP", "OPP_PHASE", "OUT_PHASE"}
_LOCATOR = re.compile(r"\b(loc|locator|localizer|localiser|scout|survey)\b", re.IGNORECASE)
_DIFFUSION = re.compile(r"\b(dwi|adc|diff|diffusion|dti|ep2d)", re.IGNORECASE)
_T2 = re.compile(r"(^|[^a-z0-9])(t2|stir|flair)", re.IGNORECASE)
_DERIVED = re.compile(
    r"(^|[^a-z])(sub|subtract|subtraction|mip|mpr|ser|pe\d?)([^a-z]|$)", re.IGNORECASE
)


class Kind(StrEnum):
    """What a series can be used for."""

    T1 = "T1"
    DERIVED = "derived map"
    SEGMENTATION = "segmentation"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Series:
    """Images that were made together and look alike.

    Attributes:
        instances: in order of InstanceNumber where it is given.
        kind: what they can be used for.
        why: the reason, in words.
        positions: number of different slice positions (frames, for a segmentation).
        turned: images of the same DICOM series, alike in contrast, that lie in other planes.
    """

    instances: tuple[Instance, ...]
    kind: Kind
    why: str
    positions: int
    turned: int = 0

    @property
    def first(self) -> Instance:
        """The first image, which stands for all in what they share."""
        return self.instances[0]

    @property
    def number(self) -> int | None:
        """SeriesNumber."""
        return self.first.series_number

    @property
    def name(self) -> str:
        """Number and description, for messages."""
        number = "without number" if self.number is None else str(self.number)
        return f"series {number} ({self.first.description or 'no description'})"

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Pixel size (along columns, along rows) and slice distance in mm, as far as known."""
        if self.first.pixel_spacing is None:
            return None
        between_rows, between_columns = self.first.pixel_spacing
        distance = _slice_distance(self.instances) or self.first.slice_thickness
        return (between_columns, between_rows, *([distance] if distance else []))

    @property
    def axis_codes(self) -> str:
        """Where columns, rows and slices run, as letters of R/L, A/P, S/I; empty if unknown."""
        if self.first.orientation is None or self.first.position is None:
            return ""
        try:
            normal = normal_of(self.first)
        except HcnetError:
            return ""
        axes = np.array(self.first.orientation).reshape(2, 3).T
        affine = np.eye(4)
        affine[:3, :3] = LPS_TO_RAS @ np.column_stack([axes, normal])
        return Grid((1, 1, 1), affine).axis_codes


def group_series(instances: Sequence[Instance]) -> list[Series]:
    """Group instances of one study into series, sorted by series number.

    A DICOM series that holds different images at the same places (echoes, flip angles, b-values,
    magnitude and phase, water and fat) or several stacks is split into its parts.
    """
    by_uid: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.series_uid].append(instance)
    found: list[Series] = []
    for members in by_uid.values():
        members.sort(key=_natural)
        for like in _split(members, _same_contrast):
            found.extend(_series(part, len(like) - len(part)) for part in _stacks(like))
    return sorted(found, key=lambda s: (s.number is None, s.number or 0, _natural(s.first)))


def _natural(instance: Instance) -> tuple[bool, int, str]:
    number = instance.instance_number
    return number is None, number or 0, instance.location


def _split(
    members: Sequence[Instance], same: Callable[[Instance, Instance], bool]
) -> list[list[Instance]]:
    parts: list[list[Instance]] = []
    for member in members:
        for part in parts:
            if same(part[0], member):
                part.append(member)
                break
        else:
            parts.append([member])
    return parts


def _stacks(members: list[Instance]) -> list[list[Instance]]:
    """Split into stacks of one orientation and size; a stray slice is left in, to be reported."""
    parts = _split(members, _same_plane)
    return parts if min(map(len, parts)) >= 3 else [members]


def _same_contrast(one: Instance, other: Instance) -> bool:
    components = [_COMPONENT.intersection(i.image_type[2:]) for i in (one, other)]
    return components[0] == components[1] and all(
        _near(getattr(one, name), getattr(other, name), 0.05)
        for name in ("echo_time", "flip_angle", "b_value")
    )


def _near(one: float | None, other: float | None, tolerance: float) -> bool:
    return one is other or (one is not None and other is not None and abs(one - other) <= tolerance)


def _same_plane(one: Instance, other: Instance) -> bool:
    if one.orientation is None or other.orientation is None:
        return one.orientation is other.orientation
    same_size = (one.rows, one.columns) == (other.rows, other.columns)
    same_turn = one.orientation == other.orientation
    return same_size and (
        same_turn or bool(np.allclose(one.orientation, other.orientation, atol=0.01))
    )


def _series(members: list[Instance], turned: int) -> Series:
    places = _places(members)
    positions = max(places, members[0].frames)
    kind, why = _classify(members[0], positions)
    return Series(tuple(members), kind, why, positions, turned)


def _places(members: Sequence[Instance]) -> int:
    return len({tuple(round(p, 2) for p in m.position) for m in members if m.position is not None})


def _slice_distance(members: Sequence[Instance]) -> float | None:
    try:
        normal = normal_of(members[0])
        along_mm = np.unique(np.round([along(member, normal) for member in members], 3))
    except HcnetError:
        return None
    return float(np.median(np.diff(along_mm))) if len(along_mm) > 1 else None


def _classify(first: Instance, positions: int) -> tuple[Kind, str]:
    if first.sop_class == SEGMENTATION_CLASS or first.modality == "SEG":
        labels = ", ".join(f"{number} {label}".strip() for number, label in first.segments)
        return Kind.SEGMENTATION, f"DICOM segmentation object ({labels or 'no segment'})"
    if first.modality != "MR":
        return Kind.OTHER, f"modality {first.modality or 'not given'}, not MR"
    if first.rows is None or first.columns is None:
        return Kind.OTHER, "holds no image"
    if first.frames > 1:
        return Kind.OTHER, "multi-frame DICOM of a kind that is not read; convert it first"
    if first.image_type[:1] == ("DERIVED",):
        return Kind.DERIVED, f"ImageType {'/'.join(first.image_type)}"
    if _COMPUTED.intersection(first.image_type[2:]):
        return Kind.DERIVED, f"ImageType {'/'.join(first.image_type)}"
    if _DERIVED.search(first.description):
        return Kind.DERIVED, "its description names a computed image"
    return _classify_original(first, positions)


def _classify_original(first: Instance, positions: int) -> tuple[Kind, str]:
    te, tr = first.echo_time, first.repetition_time
    text = first.description
    if "EP" in first.scanning_sequence or first.b_value or _DIFFUSION.search(text):
        return Kind.OTHER, "echo-planar or diffusion-weighted"
    if te is not None and te > _MAX_TE_MS:
        return Kind.OTHER, f"T2-weighted (TE {te:g} ms)"
    if _LOCATOR.search(text):
        return Kind.OTHER, "its description names a locator"
    if "SE" in first.scanning_sequence and "GR" not in first.scanning_sequence:
        return Kind.OTHER, "spin echo, too slow for a dynamic series"
    if tr is not None and tr > _MAX_TR_MS:
        return Kind.OTHER, f"TR {tr:g} ms is too long for a dynamic series"
    if _T2.search(text):
        return Kind.OTHER, "its description names T2 weighting"
    if first.position is None or first.orientation is None:
        return Kind.OTHER, "does not say where its images lie"
    if positions < MIN_SLICES:
        return Kind.OTHER, f"only {positions} slice position(s)"
    if te is None or tr is None:
        return Kind.T1, "an MR volume; the header does not give TE and TR"
    kind = f"{first.acquisition_type} " if first.acquisition_type else ""
    return Kind.T1, f"T1-weighted {kind}volume (TE {te:g} ms, TR {tr:g} ms)"
