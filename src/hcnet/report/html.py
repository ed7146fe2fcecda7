"""Reports as one HTML file each, with everything inside: no network, no other file.

The only script is that of `hcnet.report.script`, and the page's own policy lets no other run.
"""

import base64
import io
import math
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from PIL import Image

from hcnet.files import write_text
from hcnet.report.content import (
    Cell,
    Report,
    RunReport,
    SegmentationReport,
    StudyReport,
    Table,
    TissueClass,
)
from hcnet.report.drawing import PAPER
from hcnet.report.script import SCRIPT, SCRIPT_SOURCE

NOTICE = (
    "Research software, not a medical device. Not for diagnosis, treatment or any other decision "
    "about a patient."
)
STORED_DPI = 160
"""Of the panels that studies leave beside their results."""
_DPI = 130
_DARK = 128
_SPARK = (96.0, 28.0)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def write_segmentation_report(data: SegmentationReport, path: Path) -> None:
    """Write the report of one segmented exam.

    Args:
        data: what to tell.
        path: the `.html` file, written in one step.

    Raises:
        ValueError: a class colour is not "#rrggbb".
    """
    _write("segmentation.html.j2", data, path)


def write_run_report(data: RunReport, path: Path) -> None:
    """Write the report of one training run.

    Args:
        data: what to tell.
        path: the `.html` file, written in one step.

    Raises:
        ValueError: a class colour is not "#rrggbb".
    """
    _write("run.html.j2", data, path)


def write_study_report(data: StudyReport, path: Path) -> None:
    """Write the report of a study that compares methods.

    Args:
        data: what to tell.
        path: the `.html` file, written in one step.
    """
    _write("study.html.j2", data, path)


def _write(template: str, data: Report, path: Path) -> None:
    for entry in () if isinstance(data, StudyReport) else data.classes:
        # A colour goes into a style attribute, where escaping for HTML does not protect.
        if not _COLOUR.fullmatch(entry.colour):
            raise ValueError(f"class colour {entry.colour!r} is not of the form #rrggbb")
    page = _environment().get_template(template).render(
        data=data, notice=NOTICE, version=version("hcnet"), script=SCRIPT,
        script_source=SCRIPT_SOURCE,
    )  # fmt: skip
    write_text(path, page)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("hcnet.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cells": cells,
        "png": png,
        "dark": is_dark,
        "pixels": width_pixels,
        "spark": spark_points,
        "percent": lambda share: "–" if share is None else f"{share:.1%}",
    }
    return environment


def cells(table: Table) -> list[list[tuple[str, bool]]]:
    """The cells of a table as text, and whether each stands in a column of numbers.

    Decimals agree within a column.
    """
    columns = list(zip(*table.rows, strict=True))
    decimals = [_decimals(column) for column in columns]
    numeric = [not any(isinstance(value, str) for value in column) for column in columns]
    return [
        [
            (cell_text(value, places), number)
            for value, places, number in zip(row, decimals, numeric, strict=True)
        ]
        for row in table.rows
    ]


def cell_text(value: Cell, decimals: int) -> str:
    """A table cell as text: "undefined" for NaN, a dash for None, "<0.1" for what rounds to 0."""
    if value is None:
        return "–"
    if isinstance(value, str | int):
        return str(value)
    if math.isnan(value):
        return "undefined"
    if value != 0 and abs(value) < 0.5 * 10**-decimals:
        least = f"{10**-decimals:.{decimals}f}"  # rounding to zero would hide it
        return f"<{least}" if value > 0 else f">-{least}"
    return f"{value:.{decimals}f}"


def _decimals(column: Sequence[Cell]) -> int:
    sizes = [abs(v) for v in column if isinstance(v, float) and math.isfinite(v)]
    largest = max(sizes, default=0.0)
    return 3 if largest < 10 else 2 if largest < 100 else 1


def is_dark(figure: Figure | bytes) -> bool:
    """Whether a figure is a picture on dark ground, not a chart that lies on the page's plate."""
    if isinstance(figure, Figure):
        return same_color(figure.get_facecolor(), PAPER)
    with Image.open(io.BytesIO(figure)) as stored:
        return bool(np.asarray(stored.convert("L"))[0, 0] < _DARK)


def width_pixels(figure: Figure | bytes) -> int:
    """How wide the page shows a figure, where it has room."""
    if isinstance(figure, Figure):
        return round(96 * figure.get_figwidth())
    with Image.open(io.BytesIO(figure)) as stored:
        return round(96 * stored.width / STORED_DPI)


def png(figure: Figure | bytes) -> str:
    """A figure as base64 PNG; light charts get a clear background and lie on the page's plate."""
    if isinstance(figure, bytes):
        return base64.b64encode(figure).decode("ascii")
    stream = io.BytesIO()
    clear = not is_dark(figure)
    figure.savefig(stream, format="png", dpi=_DPI, transparent=clear, metadata={"Software": None})
    return base64.b64encode(stream.getvalue()).decode("ascii")


def spark_points(entry: TissueClass, classes: Sequence[TissueClass]) -> str:
    """A class's curve as SVG points, on the scale that all classes share."""
    values = [value for other in classes for value in other.curve]
    low, high = min([0.0, *values]), max(values)
    span = high - low or 1.0
    width, height = _SPARK
    step = width / max(len(entry.curve) - 1, 1)
    return " ".join(
        f"{2 + i * step:.1f},{2 + height * (1 - (value - low) / span):.1f}"
        for i, value in enumerate(entry.curve)
    )
