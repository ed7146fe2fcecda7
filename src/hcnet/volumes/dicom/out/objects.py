"""A label volume as a DICOM segmentation (SEG), a float volume as a parametric map."""

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence, VOILUTTransformation
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.color import CIELabColor
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from hcnet.errors import GeometryError, InputError
from hcnet.volumes.dicom.out.source import source_images
from hcnet.volumes.dicom.stacks import Stack
from hcnet.volumes.dicom.values import quiet
from hcnet.volumes.volume import Volume

_UTF8 = "ISO_IR 192"
_NO_UNITS = Code("1", "UCUM", "no units")


@dataclass(frozen=True)
class Maker:
    """What made an object.

    Attributes:
        name: of the program, also given as manufacturer and creator.
        version: of the program.
        serial: which copy of the device; here, which trained networks.
        scheme: designator of the codes that it defines itself.
        parameters: settings that shaped the result.
        created: when.
    """

    name: str
    version: str
    serial: str
    scheme: str
    parameters: dict[str, str]
    created: datetime.datetime


@dataclass(frozen=True)
class Caption:
    """How an object is called.

    Attributes:
        label: one word, capitals, at most 16 characters.
        series: description of its series, at most 64 characters.
        content: description of its content, at most 64 characters.
        series_number: of its series.
    """

    label: str
    series: str
    content: str
    series_number: int


@dataclass(frozen=True)
class Segment:
    """A segment of a segmentation.

    Attributes:
        label: name that viewers show.
        category: coded, of DICOM's CID 7150.
        kind: coded property.
        region: coded anatomic region.
        colour: "#rrggbb".
    """

    label: str
    category: Code
    kind: Code
    region: Code
    colour: str


def segmentation(
    stack: Stack, labels: Volume, segments: Sequence[Segment], caption: Caption, maker: Maker
) -> Dataset:
    """A BINARY segmentation in the frame of reference of its source images.

    Slices that a segment does not touch have no frame, as in the objects of other writers; viewers
    place frames by their position. Where no label is set at all, every slice has an empty frame of
    every segment, since an object must have frames: "looked at, nothing found".

    Args:
        stack: the source images.
        labels: unsigned integers on the stack's grid; k belongs to `segments[k - 1]`, 0 to none.
        segments: what the labels mean.
        caption: names.
        maker: what made it.

    Raises:
        GeometryError: `labels` does not lie on the stack's grid.
        InputError: the headers of the source images do not allow it.
    """
    frames = _frames(stack, labels)
    with _refusing(stack):
        return Segmentation(
            source_images=source_images(stack),
            pixel_array=frames.astype(np.uint8),
            segmentation_type="BINARY",
            segment_descriptions=[
                _describe(number, segment, maker) for number, segment in enumerate(segments, 1)
            ],
            omit_empty_frames=bool(frames.any()),
            **_common(caption, maker),
        )


def parametric_map(
    stack: Stack, values: Volume, quantity: Code, caption: Caption, maker: Maker
) -> Dataset:
    """A 32-bit floating point map of a quantity without unit, between 0 and 1, every slice.

    Args:
        stack: the source images.
        values: on the stack's grid; what lies outside 0 to 1 by rounding is set to the bound.
        quantity: coded, what the values are.
        caption: names.
        maker: what made it.

    Raises:
        GeometryError: `values` does not lie on the stack's grid.
        InputError: the headers of the source images do not allow it.
    """
    frames = np.clip(_frames(stack, values).astype(np.float32), 0.0, 1.0)
    with _refusing(stack):
        sources = source_images(stack)
        made = ParametricMap(
            source_images=sources,
            pixel_array=frames,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[
                RealWorldValueMapping(
                    lut_label=caption.label,
                    lut_explanation=quantity.meaning,
                    unit=_NO_UNITS,
                    value_range=(0.0, 1.0),
                    slope=1.0,
                    intercept=0.0,
                    quantity_definition=CodedConcept.from_code(quantity),
                )
            ],
            voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
            content_qualification="RESEARCH",
            **_common(caption, maker),
        )
        made.Laterality = sources[0].Laterality
        return made


def _frames(stack: Stack, volume: Volume) -> NDArray[Any]:
    """(slices, rows, columns) in the order of the stack, the array's axes as DICOM has them."""
    difference = stack.grid.difference(volume.grid)
    if difference:
        raise GeometryError(
            f"{stack.name}: the result does not lie on the grid of its source images: {difference}."
        )
    return np.ascontiguousarray(volume.data.T)


@contextmanager
def _refusing(stack: Stack) -> Iterator[None]:
    try:
        with quiet():
            yield
    except InputError:
        raise
    # highdicom meets headers that break the standard with many errors, AttributeError among them.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{stack.instances[0].file.container} ({stack.name}): a DICOM object cannot refer to "
            f"its headers ({reason})."
        ) from error


def _common(caption: Caption, maker: Maker) -> dict[str, Any]:
    return {
        "series_instance_uid": generate_uid(prefix=None),
        "sop_instance_uid": generate_uid(prefix=None),
        "series_number": caption.series_number,
        "instance_number": 1,
        "manufacturer": maker.name,
        "manufacturer_model_name": maker.name,
        "software_versions": maker.version,
        "device_serial_number": maker.serial,
        "content_label": caption.label,
        "content_description": caption.content,
        "content_creator_name": f"{maker.name}^",  # a bare name is a retired form
        "series_description": caption.series,
        "series_date": maker.created.date(),
        "series_time": maker.created.time(),
        "content_date": maker.created.date(),
        "content_time": maker.created.time(),
        "specific_character_set": _UTF8,
        "coding_schemes": [
            CodingSchemeIdentificationItem(maker.scheme, name=f"private codes of {maker.name}")
        ],
    }


def _describe(number: int, segment: Segment, maker: Maker) -> SegmentDescription:
    red, green, blue = bytes.fromhex(segment.colour.removeprefix("#"))
    return SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=maker.name,
            family=codes.DCM.ArtificialIntelligence,
            version=maker.version,
            source=maker.name,
            parameters=maker.parameters,
        ),
        anatomic_regions=[segment.region],
        display_color=CIELabColor.from_rgb(red, green, blue),
    )
