"""All slices of an exam as a few small pictures, for the page that scrolls through them."""

import base64
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hcnet.kinetics.palette import class_colours
from hcnet.kinetics.scale_bar import bar_mm
from hcnet.report import drawing
from hcnet.report.content import Slices
from hcnet.report.view import View, aligned, pick_slices, view_of
from hcnet.volumes.volume import Volume

MOST_PIXELS = 6_000_000
"""Of all slices together, as they are kept: a larger exam is shown more coarsely, so that the page
stays small and a browser can hold its pictures."""

_MARGIN_MM = 10.0
_JPEG_QUALITY = 75
_LEVELS = 16


def slices_of(
    image: Volume,
    tumour: Volume,
    heterogeneity: Volume,
    classes: int,
    uncertainty: Volume | None = None,
) -> Slices:
    """Every slice that meets the breast or the tumour, cropped to them.

    The plane is that of `preview_figure`. Outlines are drawn along the voxels' edges and keep the
    exam's own resolution, whatever becomes of the pictures.

    Args:
        image: the pre-contrast image, any orientation.
        tumour: mask on the same grid; not 0 is tumour.
        heterogeneity: map on the same grid, 0 outside and k + 1 for code k.
        classes: K.
        uncertainty: from 0 to 1 on the same grid.

    Raises:
        GeometryError: the volumes lie on different grids.
    """
    canonical, (mask_data, label_data, unsure) = aligned(image, tumour, heterogeneity, uncertainty)
    view = view_of(canonical.grid)
    mask, labels = np.asarray(mask_data) != 0, np.asarray(label_data)
    region = mask | (labels > 0)
    if not region.any():
        region = np.ones_like(region)
    across = np.flatnonzero(region.any(axis=tuple(a for a in range(3) if a != view.axis)))
    low, high = int(across[0]), int(across[-1]) + 1
    columns, rows = _crop(view, region)
    cropped = {
        name: np.stack([view.cut(data, index)[rows, columns] for index in range(low, high)])
        for name, data in (
            ("image", canonical.data),
            ("mask", mask),
            ("labels", labels),
            ("uncertainty", unsure),
        )
        if data is not None
    }
    count, height, width = cropped["mask"].shape
    pixels = _pixels(width, height, count)
    tiles = math.ceil(math.sqrt(count))
    layout = (tiles, -(-count // tiles))
    grey = drawing.window(canonical.data)
    size_mm = (width * view.pixel_mm[0], height * view.pixel_mm[1])
    left, right, top, _ = view.letters
    return Slices(
        first=low + 1,
        total=int(canonical.shape[view.axis]),
        start=pick_slices(mask if mask.any() else region, view.axis, 1)[0] + 1,
        size_mm=size_mm,
        pixels=pixels,
        tiles=layout,
        outlines=tuple(outline_path(plane) for plane in cropped["mask"]),
        voxels=(width, height),
        image=_grey_sprite(cropped["image"], grey, pixels, layout),
        labels=_palette_sprite(
            cropped["labels"].astype(np.uint8), _class_palette(classes), pixels, layout
        ),
        uncertainty=_palette_sprite(
            _levels(cropped["uncertainty"]), _uncertain_palette(), pixels, layout
        )
        if "uncertainty" in cropped
        else "",
        letters=(left, right, top),
        bar_mm=bar_mm(size_mm[0]),
        text=f"{view.convention} {view.counting}",
    )


def outline_path(mask: NDArray[np.bool_]) -> str:
    """SVG path along the voxel edges around an upright mask (rows, columns), in voxels.

    Each straight run is a stroke of its own: the path is to be drawn, not filled.
    """
    padded = np.pad(mask, 1)
    strokes = []
    for row, steps in enumerate(padded[1:, 1:-1] != padded[:-1, 1:-1]):
        strokes += [f"M{start} {row}h{stop - start}" for start, stop in _runs(steps)]
    for column, steps in enumerate((padded[1:-1, 1:] != padded[1:-1, :-1]).T):
        strokes += [f"M{column} {start}v{stop - start}" for start, stop in _runs(steps)]
    return "".join(strokes)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of every run of True."""
    ends = np.flatnonzero(np.diff(np.pad(flags, 1).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in ends.reshape(-1, 2)]


def _crop(view: View, region: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Columns and rows of the displayed image around a region."""
    left, right, top, bottom = view.box(region, _MARGIN_MM)
    (width, height), (all_columns, all_rows) = view.pixel_mm, view.size_mm
    columns = slice(math.floor(left / width), math.ceil(min(right, all_columns) / width - 1e-6))
    rows = slice(math.floor(top / height), math.ceil(min(bottom, all_rows) / height - 1e-6))
    return columns, rows


def _pixels(width: int, height: int, count: int) -> tuple[int, int]:
    """Size of a slice in the sprites: its own, or less where all together would be too many."""
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (width * height * count)))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _grey_sprite(
    planes: NDArray[Any], grey: tuple[float, float], pixels: tuple[int, int], tiles: tuple[int, int]
) -> str:
    low, high = grey
    scaled = np.nan_to_num((planes.astype(np.float32) - low) / (high - low))
    bytes_ = np.round(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    sprite = Image.fromarray(_sprite(bytes_, pixels, tiles, Image.Resampling.BOX))
    return _uri(sprite, "jpeg", quality=_JPEG_QUALITY, optimize=True)


def _palette_sprite(
    planes: NDArray[np.uint8],
    palette: list[tuple[int, int, int, int]],
    pixels: tuple[int, int],
    tiles: tuple[int, int],
) -> str:
    sprite = Image.fromarray(_sprite(planes, pixels, tiles, Image.Resampling.NEAREST))
    sprite.putpalette([value for *colour, _ in palette for value in colour])
    clear = bytes(alpha for *_, alpha in palette)
    return _uri(sprite, "png", optimize=True, transparency=clear)


def _sprite(
    planes: NDArray[np.uint8],
    pixels: tuple[int, int],
    tiles: tuple[int, int],
    resampling: Image.Resampling,
) -> NDArray[np.uint8]:
    """Planes side by side, each with its border repeated once."""
    width, height = pixels
    found = np.zeros((tiles[1] * (height + 2), tiles[0] * (width + 2)), np.uint8)
    for place, plane in enumerate(planes):
        tile = plane
        if plane.shape != (height, width):
            tile = np.asarray(Image.fromarray(plane).resize((width, height), resampling))
        row, column = divmod(place, tiles[0])
        top, left = row * (height + 2), column * (width + 2)
        found[top : top + height + 2, left : left + width + 2] = np.pad(tile, 1, mode="edge")
    return found


def _class_palette(classes: int) -> list[tuple[int, int, int, int]]:
    return [(0, 0, 0, 0), *((*_rgb(colour), 255) for colour in class_colours(classes))]


def _levels(uncertainty: NDArray[Any]) -> NDArray[np.uint8]:
    """Steps of uncertainty that a palette has room for; what is undefined is clear."""
    share = np.clip(np.nan_to_num(uncertainty.astype(np.float32)), 0, 1)
    return np.round(share * (_LEVELS - 1)).astype(np.uint8)


def _uncertain_palette() -> list[tuple[int, int, int, int]]:
    colour = _rgb(drawing.UNCERTAIN)
    return [(*colour, round(255 * level / (_LEVELS - 1))) for level in range(_LEVELS)]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _uri(image: Image.Image, kind: str, **options: Any) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
