"""A study of K as table, JSON and figure, and the few lines that a terminal shows."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hcnet.files import write_aside, write_json, write_text
from hcnet.studies.choose_k.figure import study_figure
from hcnet.studies.choose_k.plan import PAPER_K
from hcnet.studies.choose_k.rows import Interval, Row

NO_RETEST = (
    "Test-retest agreement is left out: it needs a second scan of the same patients (--retest)."
)
READING = (
    "Held-out patients; SSE, CPN, SPT and DBN are distances between normalised curves, so they "
    "compare methods and K within a scale, not the scales. SSE and CPN fall as K grows whatever "
    "the data are. Agreement can be compared everywhere; exact agreement favours few codes, kappa "
    "is corrected for chance. Kappa is undefined where both scans of a case have one and the same "
    "code only; [n] is the number of cases that a mean is of where some are undefined."
)
AN_END = "* an end of the range of K tried."

# Name, group and key of a row, and whether more is better.
_CRITERIA = (
    ("SSE", "quality", "sse", False),
    ("CPN", "quality", "cpn", False),
    ("SPT", "quality", "spt", True),
    ("DBN", "quality", "dbn", False),
    ("TVR of tumour", "quality", "tvr_tumour", True),
    ("kappa, breast", "retest", "breast/kappa", True),
    ("weighted kappa, breast", "retest", "breast/weighted_kappa", True),
    ("kappa, tumour", "retest", "tumour/kappa", True),
    ("weighted kappa, tumour", "retest", "tumour/weighted_kappa", True),
    ("kappa between seeds, breast", "between_seeds", "breast/kappa", True),
)


def write_study(rows: Sequence[Row], out: Path, facts: Mapping[str, Any]) -> list[str]:
    """Write `results.json`, `table.csv`, `table.md`, `figure.png` and `figure.svg`.

    Args:
        rows: at least one.
        out: folder of the study.
        facts: JSON values that go into `results.json` beside the rows.

    Returns:
        the summary, line by line.
    """
    write_json(out / "results.json", {**facts, "rows": [row.as_json() for row in rows]})
    _write_csv(rows, out / "table.csv")
    lines = summary_lines(rows)
    notes = [READING] if any(row.retest for row in rows) else [READING, NO_RETEST]
    summary = [f"- {line.strip()}" for line in lines]
    write_text(out / "table.md", "\n".join([_markdown(rows), *notes, "", *summary]) + "\n")
    figure = study_figure(rows)
    for suffix in ("png", "svg"):
        with write_aside(out / f"figure.{suffix}") as aside:
            figure.savefig(aside, dpi=150)
    return [*lines, *notes[1:]]


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """For each scale and method the best K by each criterion, and the row of the paper's K.

    No criterion is weighed against another. Where several K are equally good, the least is named,
    and agreement is compared only between K for which it is defined in equally many cases.
    """
    lines = []
    for scale in dict.fromkeys(row.scale for row in rows):
        lines.append(f"{scale} scaling, K with the best")
        methods = dict.fromkeys(row.method for row in rows if row.scale == scale)
        for method in methods:
            these = [row for row in rows if (row.scale, row.method) == (scale, method)]
            lines.append(f"  {method}: {_best(these)}")
            lines += [
                f"  {method}, K = {PAPER_K}: {_told(row)}" for row in these if row.k == PAPER_K
            ]
    return [*lines, AN_END]


def _best(rows: Sequence[Row]) -> str:
    parts = []
    for name, group, key, more in _CRITERIA:
        found = [(row.k, getattr(row, group).get(key)) for row in rows]
        if group != "quality":
            found = _of_all_cases(found)
        values = {k: value for k, value in found if value is not None}
        if values:
            best = (max if more else min)(values, key=lambda k: values[k])
            end = "*" if len(rows) > 1 and best in (rows[0].k, rows[-1].k) else ""
            parts.append(f"{name} {best}{end}")
    return "; ".join(parts)


def _of_all_cases(found: Sequence[tuple[int, Interval | None]]) -> list[tuple[int, float | None]]:
    """Means over the most cases that any K has: fewer would be other cases, not a better K."""
    most = max((cell.n for _, cell in found if cell is not None), default=0)
    return [(k, cell.mean) for k, cell in found if cell is not None and cell.n == most]


def _told(row: Row) -> str:
    q = row.quality
    parts = [f"SSE {_cell(q['sse'])}", f"CPN {_cell(q['cpn'])}", f"SPT {_cell(q['spt'])}"]
    parts += [f"DBN {_cell(q['dbn'])}", f"TVR {_cell(q['tvr_tumour'])} / {_cell(q['tvr_rest'])}"]
    parts += [f"perplexity {_cell(q['perplexity'])}"]
    for group, what in ((row.retest, "test-retest"), (row.between_seeds, "between seeds")):
        parts += [
            f"{what} kappa in the {region} {_interval(group[f'{region}/kappa'])}"
            for region in ("breast", "tumour")
            if f"{region}/kappa" in group
        ]
    return ", ".join(parts)


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    """One row a scale, method and K; what is undefined is empty."""
    cells = [row.flat() for row in rows]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    with write_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(cells)


def _markdown(rows: Sequence[Row]) -> str:
    heads = ["Scale", "Method", "K", "SSE", "CPN", "SPT", "DBN", "TVR tumour / rest", "Perplexity"]
    heads += ["Used"]
    groups = [
        (group, region, measure)
        for group in ("retest", "between_seeds")
        for region in ("breast", "tumour")
        for measure in ("exact", "kappa", "weighted_kappa", "rank")
        if any(f"{region}/{measure}" in getattr(row, group) for row in rows)
    ]
    for group, region, measure in groups:
        what = {"retest": "Test-retest", "between_seeds": "Between seeds"}[group]
        heads.append(f"{what} {measure.replace('_', ' ')}, {region}")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        q = row.quality
        k = str(row.k) if row.k == row.codes else f"{row.k} ({row.codes} bins)"
        cells = [row.scale, row.method, k, *(_cell(q[n]) for n in ("sse", "cpn", "spt", "dbn"))]
        cells += [f"{_cell(q['tvr_tumour'])} / {_cell(q['tvr_rest'])}", _cell(q["perplexity"])]
        cells += [_cell(q["used"], 1 if row.seeds > 1 else 0)]
        for group, region, measure in groups:
            interval = getattr(row, group).get(f"{region}/{measure}")
            cells.append("" if interval is None else _interval(interval))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, decimals: int = 3) -> str:
    return "undefined" if value is None else f"{value:.{decimals}f}"


def _interval(interval: Interval) -> str:
    text = _cell(interval.mean)
    if interval.low is not None and interval.high is not None:
        text += f" ({interval.low:.3f} to {interval.high:.3f})"
    return f"{text} [{interval.n}]" if 0 < interval.n < interval.of else text
