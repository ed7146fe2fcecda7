"""Write the report that belongs to a folder: of a run or of a segmentation."""

from pathlib import Path

from hcnet.errors import InputError
from hcnet.inference.names import SUMMARY
from hcnet.report.html import write_run_report, write_segmentation_report
from hcnet.report.run_page import run_page
from hcnet.report.segmentation_page import segmentation_page, write_preview
from hcnet.training.folder import RunFolder
from hcnet.training.validate import RESULTS

REPORT = "report.html"


def write_report(folder: Path) -> Path:
    """Write `report.html` (and for a segmentation `preview.png`) from what lies in the folder.

    Returns:
        the page.

    Raises:
        InputError: the folder holds neither a finished run nor a segmentation.
    """
    page = folder / REPORT
    if (RunFolder(folder).validation / RESULTS).is_file():
        write_run_report(run_page(folder), page)
    elif (folder / SUMMARY).is_file() and (folder / "tumour.nii.gz").is_file():
        write_preview(folder)
        write_segmentation_report(segmentation_page(folder), page)
    else:
        raise InputError(
            f"{folder}: holds neither a finished run of `hcnet train` nor results of "
            "`hcnet segment`."
        )
    return page
