"""Write the report that belongs to a folder: of a run, of a segmentation or of a study.

Each page is imported when it is asked for: that of a segmentation needs none of what trains.
"""

from pathlib import Path

from matplotlib.figure import Figure

from hcnet.errors import InputError
from hcnet.files import write_aside
from hcnet.inference.names import SUMMARY
from hcnet.report.content import Report, RunReport, SegmentationReport, pictures_of
from hcnet.report.html import write_run_report, write_segmentation_report, write_study_report
from hcnet.report.study import is_study
from hcnet.training.folder import RunFolder

REPORT = "report.html"


def read_report(folder: Path) -> Report:
    """What is told of the folder.

    Raises:
        InputError: the folder holds neither a finished run, nor a segmentation, nor a comparison or
            an ablation; or its files are damaged.
        GeometryError: the images of a segmentation do not lie on one grid.
    """
    if RunFolder(folder).results.is_file():
        from hcnet.report.run_page import run_page

        return run_page(folder)
    if (folder / SUMMARY).is_file() and (folder / "tumour.nii.gz").is_file():
        from hcnet.report.segmentation_page import segmentation_page

        return segmentation_page(folder)
    if is_study(folder):
        from hcnet.report.study_page import study_page

        return study_page(folder)
    raise InputError(
        f"{folder}: holds neither a finished run of `hcnet train` nor results of "
        "`hcnet segment`, `hcnet compare` or `hcnet ablate`."
    )


def write_report(folder: Path, report: Report | None = None) -> Path:
    """Write `report.html` (and for a segmentation `preview.png`) from what lies in the folder.

    Args:
        folder: of a run, a segmentation or a study.
        report: what `read_report` found there, where that is known already.

    Returns:
        the page.

    Raises:
        InputError, GeometryError: as `read_report`.
    """
    page, told = folder / REPORT, report or read_report(folder)
    if isinstance(told, SegmentationReport):
        _write_preview(told, folder / "preview.png")
        write_segmentation_report(told, page)
    elif isinstance(told, RunReport):
        write_run_report(told, page)
    else:
        write_study_report(told, page)
    return page


def _write_preview(report: SegmentationReport, path: Path) -> None:
    """The first picture as a file beside the results, which other programs can show."""
    first = pictures_of(report)[0].figure
    if isinstance(first, Figure):
        with write_aside(path) as aside:
            first.savefig(aside, dpi=130)
