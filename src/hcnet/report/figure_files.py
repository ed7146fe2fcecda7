"""The figures of a report as files of their own: PNG to show, SVG to work on."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from hcnet.errors import InputError
from hcnet.files import write_aside
from hcnet.report.class_legend import class_legend_figure
from hcnet.report.content import Report, StudyReport, pictures_of

_DPI = 200


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Write every figure of a report; the same report gives the same files, byte by byte.

    A figure that lies in the study's folder as a PNG already is written as that PNG alone. The
    legend of the classes, which the page lays out as a table, is `classes`, the last.

    Args:
        report: as `hcnet.report.write.read_report` gives it.
        folder: made if needed; files of the same names are replaced.

    Returns:
        the files: the pictures in the order of the page, then the legend of the classes.

    Raises:
        InputError: `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the figures.")
    found = []
    for picture in pictures_of(report):
        path = folder / f"{picture.name}.png"
        if isinstance(picture.figure, Figure):
            found += _write(picture.figure, path)
        else:
            with write_aside(path) as aside:
                aside.write_bytes(picture.figure)
            found.append(path)
    if not isinstance(report, StudyReport) and report.classes:
        legend = class_legend_figure(report.classes, report.curve_label)
        found += _write(legend, folder / "classes.png")
    return found


def _write(figure: Figure, path: Path) -> list[Path]:
    vector = path.with_suffix(".svg")
    with write_aside(path) as aside:
        figure.savefig(aside, dpi=_DPI, metadata={"Software": None})
    # Text stays text, and the names inside a file depend on its content alone.
    settings = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hcnet"})
    with write_aside(vector) as aside, settings:
        figure.savefig(aside, metadata={"Date": None, "Creator": None})
    return [path, vector]
