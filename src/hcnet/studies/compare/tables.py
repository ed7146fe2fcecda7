"""The results of a comparison as Markdown and CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hcnet.evaluation.map_metrics import map_scores
from hcnet.evaluation.statistics import DETECTION_DSC
from hcnet.nets.registry import NETWORKS
from hcnet.studies.compare.entries import BASELINE, OURS, Entry
from hcnet.studies.compare.estimate import HIPM
from hcnet.studies.compare.measure import Measured
from hcnet.studies.compare.records import MapRecord, TumourRecord
from hcnet.studies.compare.summary import MAP_BASELINE, MAP_METRICS, Compared, Row, Summary
from hcnet.studies.notes import (
    Cell,
    bootstrap_note,
    caution_notes,
    flat,
    line,
    number,
    p_text,
    with_interval,
    write_rows,
)

CHECK = "✓"


@dataclass(frozen=True)
class Metric:
    """How a metric is told: its heading, its decimals, and whether more is better."""

    heading: str
    decimals: int
    more: bool

    @property
    def form(self) -> str:
        """Of a value."""
        return f".{self.decimals}f"


TUMOUR: Mapping[str, Metric] = {
    "dsc": Metric("DSC", 3, True),
    "ppv": Metric("PPV", 3, True),
    "sen": Metric("SEN", 3, True),
    "asd_mm": Metric("ASD mm", 2, False),
    "hd95_mm": Metric("HD95 mm", 2, False),
    "detection": Metric("Found", 2, True),
    "false_rate": Metric("False +", 2, False),
    "false_ml": Metric("False + ml", 2, False),
}
MAP: Mapping[str, Metric] = {
    "mean_accuracy": Metric("Mean Accuracy", 3, True),
    "mean_iou": Metric("Mean IoU", 3, True),
    "pooled_mean_accuracy": Metric("Pooled Accuracy", 3, True),
    "pooled_mean_iou": Metric("Pooled IoU", 3, True),
}


def of_maps(summary: Summary) -> bool:
    """Whether maps were predicted, not tumours segmented."""
    return summary.rows[0].false_positives is None


def metrics_of(summary: Summary) -> Mapping[str, Metric]:
    """The metrics that the table shows, in its order."""
    return MAP if of_maps(summary) else TUMOUR


def method(entry: Entry) -> str:
    """A row's name where other columns say what it sees."""
    return NETWORKS[entry.network].title + (" (ours)" if entry == OURS else "")


def seen(entry: Entry, check: str = CHECK) -> tuple[str, str, str]:
    """What a row sees: pre-contrast, post-contrast, subtraction."""
    return {
        "pre": (check, "", ""),
        "post": ("", check, ""),
        "post+sub": ("", check, check),
        "pre+post": (check, check, ""),
        "all-phases": (check, "all", ""),
    }[entry.inputs]


def groups(summary: Summary) -> list[list[Row]]:
    """Rows that see contrast, and rows that do not; a group without rows is left out."""
    found = [[row for row in summary.rows if (row.entry.inputs == "pre") == pre]
             for pre in (False, True)]  # fmt: skip
    return [group for group in found if group]


def value(row: Row, name: str) -> float:
    """The mean of a metric, whether or not it has an interval."""
    if name in row.metrics:
        return row.metrics[name].mean
    false = asdict(row.false_positives) if row.false_positives else {}
    found = {f"false_{key}": each for key, each in false.items()}
    found |= {f"pooled_{key}": each for key, each in row.pooled.items()}
    return float(found[name])


def ranks(summary: Summary) -> dict[tuple[str, str], int]:
    """Who is best (1) and second best (2) in its group, by entry and metric.

    Values that read alike rank alike. A row that is alone in its group is not ranked.
    """
    found: dict[tuple[str, str], int] = {}
    for group in groups(summary):
        for name, metric in metrics_of(summary).items():
            values = {row.entry.name: round(value(row, name), metric.decimals) for row in group}
            values = {entry: each for entry, each in values.items() if each == each}
            order = sorted(set(values.values()), reverse=metric.more)
            if len(values) > 1:
                found |= {(entry, name): order.index(each) + 1
                          for entry, each in values.items() if each in order[:2]}  # fmt: skip
    return found


def versus(summary: Summary, first: str, second: str, metric: str) -> Compared | None:
    """A comparison whichever way round it was made; None where it was not."""
    made = summary.against(first, second, metric)
    other = summary.against(second, first, metric)
    if made is not None or other is None:
        return made
    turned = other.result.difference
    turned = replace(
        turned, mean=-turned.mean, low=-turned.high, high=-turned.low, median=-turned.median
    )
    return Compared(first, second, metric, replace(other.result, difference=turned), other.p_holm)


def rivals(summary: Summary) -> list[Entry]:
    """The rows that all others are compared with; none where there are no others."""
    names = (MAP_BASELINE,) if of_maps(summary) else (BASELINE.name, OURS.name)
    entries = {row.entry.name: row.entry for row in summary.rows}
    return [entries[name] for name in names if name in entries and len(entries) > 1]


def cost(entry: Entry, measured: Mapping[str, Measured]) -> tuple[int, int]:
    """FLOPs of a window and peak memory in MB; the method's hold its map network."""
    own = [measured[entry.name]] + ([measured[HIPM]] if entry == OURS else [])
    return sum(each.flops for each in own), max(each.training_mb for each in own)


def markdown(summary: Summary, measured: Mapping[str, Measured], notes: Sequence[str]) -> str:
    """The table, what it needs to be read, and the comparisons.

    Args:
        summary: the results.
        measured: FLOPs and memory by the entry's name.
        notes: see `notes`.
    """
    best = ranks(summary)
    rows = [_cells(row, summary, measured, best) for row in summary.rows]
    lines = [line(list(rows[0])), "|---" * len(rows[0]) + "|"]
    lines += [line(list(row.values())) for row in rows]
    lines += ["", *(f"- {note}" for note in notes)]
    titles = {row.entry.name: row.entry.title for row in summary.rows}
    for metric in MAP_METRICS if of_maps(summary) else ("dsc",):
        made = [each for each in summary.compared if each.metric == metric]
        heading = metrics_of(summary)[metric].heading
        if made:
            lines += ["", f"| Compared ({heading}) | Difference (95 %) | p | p (Holm) |"]
            lines += ["|---|---|---|---|"]
        for each in made:
            pair = f"{titles[each.first]} - {titles[each.second]}"
            difference = with_interval(each.result.difference, "+.3f")
            lines.append(line([pair, difference, p_text(each.result.p), p_text(each.p_holm)]))
    return "\n".join(lines) + "\n"


def notes(
    summary: Summary,
    *,
    reference: str,
    updates: int,
    window: tuple[int, int, int],
    classes: int,
    device: str,
) -> list[str]:
    """What the numbers are.

    Args:
        summary: the results.
        reference: what held-out cases are scored against.
        updates: of each network.
        window: voxels of a patch.
        classes: K.
        device: what computed.
    """
    folds = f"each patient once, in {summary.folds} folds" if summary.folds > 1 else "one split"
    family = sum(each.metric == summary.compared[0].metric for each in summary.compared)
    shared = bootstrap_note(summary.seeds, f"{family} comparisons of each metric")
    if not summary.compared:
        shared = bootstrap_note(summary.seeds, "comparisons, of which there are none")
    both = " of the rows that see contrast and of those that do not" * (len(groups(summary)) > 1)
    many = f"{summary.seeds} seed(s), {folds}"
    if of_maps(summary):
        found = [
            f"Held out: {summary.cases} cases; {many}. True map: that of the contrast-enhanced "
            f"exam, {classes} classes; the clustering is learned anew for each seed and fold, from "
            "the cases to learn from.",
            "Means are over cases and seeds, of classes that a case has and of voxels inside the "
            f"breast; chance has an accuracy of {1 / classes:.3f}. Pooled: of all held-out voxels "
            "together, mean over seeds.",
        ]
    else:
        false = summary.rows[0].false_positives
        found = [
            f"Held out: {summary.cases} cases with a lesion and {false.cases if false else 0} "
            f"without; {many}. Reference: {reference}. All networks learn from the cohort's own "
            "segmentation.",
            "Means are over cases with a lesion and seeds; [n] counts values that are undefined "
            "(an empty prediction has no PPV and no distance) and took no part, so distances "
            "flatter a network that marks nothing where it is unsure. Found: share with DSC above "
            f"{DETECTION_DSC:g}. False +: share of the cases without a lesion in which anything is "
            "marked, and the mean of its ml.",
        ]
    recipe = "optimiser and rate are its own" if of_maps(summary) else (
        "loss, optimiser, rate and legs are its own"
    )  # fmt: skip
    found += [
        shared,
        f"Bold: best{both}.",
        f"Each network has {updates} updates on the same cases, patches and augmentation; {recipe} "
        "(`hcnet networks`). The weights after the last update are scored: none are chosen by "
        "held-out cases and no training stops early.",
        "Networks and recipes are our reading of the publications, not their authors' code.",
        f"Parameters: all that can be trained. GFLOPs: one window of {' x '.join(map(str, window))}"
        " voxels forward, a multiply-add being two. Training s: all folds, mean over seeds. "
        "Inference s: from the prepared image to the probabilities. Both are seconds of this "
        f"machine ({device}) beside whatever else it did. Peak MB: of a process that only takes a "
        "few training steps.",
    ]
    ours = [row for row in summary.rows if row.entry == OURS]
    found += [
        f"{row.entry.title}: parameters, GFLOPs and seconds are of the map network (HIPM) and "
        "KIS-Net together, peak MB is that of the larger; training s also holds stage 1 and the "
        f"HIPMs of the cross-fitting folds ({row.took.updates} updates a seed, those of "
        "stage 1 not counted)."
        for row in ours
    ]
    return found + caution_notes(summary.seeds, summary.cases)


def write_table_csv(summary: Summary, measured: Mapping[str, Measured], path: Path) -> None:
    """Write one row an entry, full precision; undefined values are empty."""
    write_rows(path, [_numbers(row, summary, measured) for row in summary.rows])


def write_comparisons_csv(summary: Summary, path: Path) -> None:
    """Write one row a comparison and metric; there must be one."""
    rows = [
        {"first": each.first, "second": each.second, "metric": each.metric}
        | flat("difference", each.result.difference)
        | {"p": each.result.p, "p_holm": each.p_holm}
        for each in summary.compared
    ]
    write_rows(path, rows)


def write_cases_csv(records: Sequence[TumourRecord | MapRecord], path: Path) -> None:
    """Write one row for each entry, seed, fold and held-out case."""
    rows: list[dict[str, Cell]] = []
    for record in records:
        head: dict[str, Cell] = {"entry": record.entry, "seed": record.seed, "fold": record.fold}
        rows += [
            head | scores | {"inference_s": seconds}
            for scores, seconds in zip(_scores(record), record.took.inference_s, strict=True)
        ]
    write_rows(path, rows)


def _cells(
    row: Row,
    summary: Summary,
    measured: Mapping[str, Measured],
    best: Mapping[tuple[str, str], int],
) -> dict[str, str]:
    """A row's cells by their headings."""
    maps, entry = of_maps(summary), row.entry
    cells = {"Network" if maps else "Method": method(entry)}
    if not maps:
        cells |= dict(zip(("Pre", "Post", "Sub"), seen(entry), strict=True))
    for name, metric in metrics_of(summary).items():
        estimate = row.metrics.get(name)
        shown = number(value(row, name), metric.form)
        text = f"**{shown}**" if best.get((entry.name, name)) == 1 else shown
        if estimate is None or name == "detection":
            cells[metric.heading] = text
            continue
        text += with_interval(estimate, metric.form).removeprefix(shown)  # the mean alone is bold
        text += f" [{estimate.undefined}]" if estimate.undefined else ""
        cells[f"{metric.heading} (95 %)"] = text
    for rival in rivals(summary):
        for name in MAP_METRICS if maps else ("dsc",):
            made = versus(summary, entry.name, rival.name, name)
            title = method(rival) if maps else rival.title
            heading = f"{metrics_of(summary)[name].heading} minus {title}"
            cells[f"{heading} (95 %)"] = (
                with_interval(made.result.difference, "+.3f") if made else "-"
            )
            cells[f"p (Holm), {heading}"] = p_text(made.p_holm) if made else "-"
    flops, peak = cost(entry, measured)
    took = row.took
    return cells | {
        "Parameters": f"{took.parameters / 1e6:.2f} M",
        "GFLOPs a window": f"{flops / 1e9:.1f}",
        "Training s": f"{took.training_s:.0f}",
        "Inference s a case": f"{took.inference_s[0]:.2f}",
        "Peak MB": str(peak),
    }


def _scores(record: TumourRecord | MapRecord) -> list[dict[str, Cell]]:
    if isinstance(record, TumourRecord):
        return [row.as_json() for row in record.rows]
    scored = {row.name: map_scores(row.confusion) for row in record.rows}
    shown = (*MAP_METRICS, "voxel_accuracy", "voxels")
    return [{"name": name, **{key: getattr(scores, key) for key in shown}}
            for name, scores in scored.items()]  # fmt: skip


def _numbers(row: Row, summary: Summary, measured: Mapping[str, Measured]) -> dict[str, Cell]:
    entry, took = row.entry, row.took
    found: dict[str, Cell] = {
        "entry": entry.name, "network": entry.network, "inputs": entry.inputs
    }  # fmt: skip
    for name in metrics_of(summary):
        estimate = row.metrics.get(name)
        found |= {name: value(row, name)} if estimate is None else flat(name, estimate)
    for rival in rivals(summary):
        for name in MAP_METRICS if of_maps(summary) else ("dsc",):
            made = versus(summary, entry.name, rival.name, name)
            label = f"{name}_minus_{rival.name}"
            found |= flat(label, made.result.difference if made else None)
            found |= {f"{label} p": made.result.p if made else None,
                      f"{label} p_holm": made.p_holm if made else None}  # fmt: skip
    flops, peak = cost(entry, measured)
    found |= {"parameters": took.parameters, "updates": took.updates, "flops": flops}
    found |= {"training_s": took.training_s, "inference_s": took.inference_s[0]}
    return found | {"peak_mb": peak, "final_loss": took.final_loss}
