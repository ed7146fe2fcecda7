"""A description as Markdown, CSV and JSON."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hcnet.cohorts.phantom.describe.bands import TAGS, Band
from hcnet.cohorts.phantom.describe.measure import CaseMeasures
from hcnet.cohorts.phantom.describe.summary import FEWEST, Row
from hcnet.files import write_aside, write_json, write_text

_HEAD = (
    "| measure | cohort | n | band | source | tag | |",
    "|---|---|---|---|---|---|---|",
)


def write_markdown(
    path: Path, facts: Mapping[str, Any], rows: Sequence[Row], notes: Sequence[str]
) -> None:
    """Write the table that a person reads."""
    lines = ["# What this phantom cohort looks like", ""]
    lines += [", ".join(f"{key}: {value}" for key, value in facts.items()) + "."]
    for section in dict.fromkeys(row.section for row in rows):
        lines += ["", f"## {section}", "", *_HEAD]
        lines += [_line(row) for row in rows if row.section == section]
    lines += ["", "## How to read this", "", *(f"- {note}" for note in notes)]
    lines += [
        "- A band with two ends is met by a median or share inside it; a band that is a centre "
        "alone (written with ~) by a cohort whose own interval holds it, quartiles of at least "
        f"{FEWEST} cases. Outside is information, not an error.",
        '- "descriptor" is what an untuned prototype came out with, not what is right.',
        *(f"- Tag {tag}: {meaning}." for tag, meaning in TAGS.items()),
    ]
    write_text(path, "\n".join(lines) + "\n")


def write_csv(path: Path, cases: Sequence[CaseMeasures]) -> None:
    """Write one row a case, full precision; undefined values read `nan`."""
    keys = list(cases[0].values)
    groups = list(cases[0].groups)
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", *groups, *keys])
        writer.writerows(
            [case.name, *(case.groups[g] for g in groups), *(case.values[k] for k in keys)]
            for case in cases
        )


def write_rows(
    path: Path, facts: Mapping[str, Any], rows: Sequence[Row], notes: Sequence[str]
) -> None:
    """Write the table as JSON; undefined values are null."""
    write_json(
        path, {"cohort": dict(facts), "rows": [_plain(row) for row in rows], "notes": list(notes)}
    )


def text_of(row: Row) -> str:
    """The cohort's value, as in "12.1 [5, 30.2] ml"."""
    if not row.n:
        return "-"
    value = f"{number(row.centre)} [{number(row.low)}, {number(row.high)}]"
    return f"{value} {row.measure.unit}" if row.measure.unit else value


def band_text(band: Band | None) -> str:
    """The band, as in "14.7 (6.6 to 38)"; a centre alone is written with ~."""
    if band is None:
        return "-"
    if band.low is None or band.high is None:
        return f"~{number(band.centre)}" if band.centre is not None else "-"
    ends = f"{number(band.low)} to {number(band.high)}"
    return ends if band.centre is None else f"{number(band.centre)} ({ends})"


def title_of(row: Row) -> str:
    """The measure and its group."""
    return f"{row.measure.title}: {row.group}" if row.group else row.measure.title


def number(value: float) -> str:
    """Three digits, and no exponent for large values."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(row: Row) -> str:
    source, tag = "-", "-"
    if row.band is not None:
        source = row.band.source + (" (descriptor)" if row.band.descriptor else "")
        tag = row.band.tag
    n = f"{row.n}" if not row.undefined else f"{row.n} of {row.n + row.undefined}"
    verdict = {"outside": "**outside**", "no band": ""}.get(row.verdict, row.verdict)
    cells = (title_of(row), text_of(row), n, band_text(row.band), source, tag, verdict)
    return f"| {' | '.join(cells)} |"


def _plain(row: Row) -> dict[str, Any]:
    band = row.band
    return {
        "section": row.section,
        "key": row.measure.key,
        "title": row.measure.title,
        "unit": row.measure.unit,
        "kind": "share of cases" if row.measure.share else "median",
        "by": row.measure.by,
        "group": row.group,
        "n": row.n,
        "undefined": row.undefined,
        "centre": _number_or_null(row.centre),
        "low": _number_or_null(row.low),
        "high": _number_or_null(row.high),
        "verdict": row.verdict,
        "band": None
        if band is None
        else {
            "low": band.low,
            "high": band.high,
            "centre": band.centre,
            "source": band.source,
            "tag": band.tag,
            "descriptor": band.descriptor,
        },
    }


def _number_or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
