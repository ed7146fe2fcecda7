"""Describe a phantom cohort: measure every case, compare, write, draw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hcnet.cohorts.cohort import read_cohort
from hcnet.cohorts.phantom.describe.catalogue import NOTES
from hcnet.cohorts.phantom.describe.exam import read_exam
from hcnet.cohorts.phantom.describe.measure import CaseMeasures, measure_case
from hcnet.cohorts.phantom.describe.summary import Row, summarise
from hcnet.cohorts.phantom.describe.tables import (
    band_text,
    text_of,
    title_of,
    write_csv,
    write_markdown,
    write_rows,
)
from hcnet.errors import InputError
from hcnet.files import read_json
from hcnet.progress import SILENT, Progress

_SHOWN = ("like", "size", "null", "scan")


def describe_cohort(root: Path, out: Path, progress: Progress = SILENT) -> list[str]:
    """Measure a phantom cohort and set it beside the literature.

    Writes `description.md` (the table), `.csv` (every case), `.json` (the table for programs),
    `.png` and `.svg` to `out`, each in one step.

    Args:
        root: a cohort that the phantom wrote.
        out: folder of the description, made if needed.
        progress: told of each case.

    Returns:
        lines to show: what was compared, what lies outside, and where the files are.

    Raises:
        InputError: `root` is no phantom cohort or its truth is incomplete.
    """
    settings = _settings(root)
    cohort = read_cohort(root)
    reader = cohort.segmentation == "expert"
    cases = [
        measure_case(read_exam(case, root / "truth" / case.name.upper(), reader=reader))
        for case in progress.track(cohort.cases, "cases described", total=len(cohort))
    ]
    like = settings["like"]
    rows = summarise(cases, like)
    facts = {"cases": len(cases), **{key: settings[key] for key in _SHOWN if key in settings}}
    notes = [*NOTES, _noise_note(cases)]
    write_markdown(out / "description.md", facts, rows, notes)
    write_csv(out / "description.csv", cases)
    write_rows(out / "description.json", facts, rows, notes)
    # Drawing is loaded late: whoever reads the functions above needs no matplotlib.
    from hcnet.cohorts.phantom.describe.figure import write_figure

    write_figure(out, cases, like)
    return _lines(out, rows, notes[-1])


def _settings(root: Path) -> Mapping[str, Any]:
    record = root / "phantom.json"
    if not record.is_file() or not (root / "truth").is_dir():
        raise InputError(
            f"{root}: has no phantom.json and truth/, and --describe needs a phantom cohort; give "
            "a folder that `hcnet phantom` wrote."
        )
    content = read_json(record)
    settings = content.get("settings") if isinstance(content, Mapping) else None
    if not isinstance(settings, Mapping) or not isinstance(settings.get("like"), str):
        raise InputError(
            f"{record}: does not say what the cohort is like; make the cohort anew with this "
            "version of hcnet."
        )
    return settings


def _noise_note(cases: Sequence[CaseMeasures]) -> str:
    without = sum(not case.noise_free for case in cases)
    if not without:
        return "Kinetic measures come from the noise-free phases unless a row says otherwise."
    return (
        f"{without} of {len(cases)} cases have no noise-free phases; their kinetic measures come "
        "from the phases with noise in all rows."
    )


def _lines(out: Path, rows: Sequence[Row], noise: str) -> list[str]:
    compared = [
        (row, row.band) for row in rows if row.band and row.verdict in ("inside", "outside")
    ]
    outside = [(row, band) for row, band in compared if row.verdict == "outside"]
    return [
        noise,
        *(
            f"outside: {row.section.lower()}, {title_of(row)}: {text_of(row)}, "
            f"band {band_text(band)} ({band.tag}{', descriptor' if band.descriptor else ''})"
            for row, band in outside
        ),
        f"description: {out / 'description.md'} ({len(compared) - len(outside)} of "
        f"{len(compared)} measures with a band lie inside it)",
    ]
