"""The results of an ablation as Markdown, CSV and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hcnet.evaluation.evaluate import METRICS
from hcnet.evaluation.statistics import DETECTION_DSC, Estimate
from hcnet.evaluation.tables import HEADINGS, value_text
from hcnet.studies.ablation.arms import ARMS, BASELINE
from hcnet.studies.ablation.records import ArmRecord
from hcnet.studies.ablation.strata import CaseFacts
from hcnet.studies.ablation.summary import ArmSummary, Compared, Summary
from hcnet.studies.notes import (
    Cell,
    bootstrap_note,
    caution_notes,
    flat,
    line,
    number,
    p_text,
    plain,
    with_interval,
    write_rows,
)

ISOLATES = {arm.name: arm.isolates for arm in ARMS}


def against_baseline(summary: Summary, arm: str) -> Compared | None:
    """The comparison of an arm with the baseline; None for the baseline itself."""
    pairs = {(each.first, each.second): each for each in summary.compared}
    return pairs.get((arm, BASELINE))


def numbers(summary: Summary, name: str) -> dict[str, Cell]:
    """One arm's row of the CSV, full precision; NaN is undefined, None does not apply."""
    arm, versus = summary.arms[name], against_baseline(summary, name)
    row: dict[str, Cell] = {"arm": name, "isolates": ISOLATES[name]}
    row |= flat("dsc", arm.metrics["dsc"])
    row |= flat("dsc_minus_b0", versus.result.difference if versus else None)
    row["p"], row["p_holm"] = (versus.result.p, versus.p_holm) if versus else (None, None)
    for metric in (*METRICS[1:], "detection"):
        row |= flat(metric, arm.metrics[metric])
    row |= {f"false_positive_{key}": value for key, value in asdict(arm.false_positives).items()}
    for stratum, estimate in arm.strata.items():
        row |= flat(f"dsc {stratum}", estimate)
    row |= flat("prior_dsc", arm.prior)
    row |= flat("dsc_minus_prior", arm.leak.difference if arm.leak else None)
    row["leak_p"] = arm.leak.p if arm.leak else None
    row |= {"map_accuracy": arm.map_accuracy, "map_iou": arm.map_iou, **asdict(arm.cost)}
    return row


def write_results_csv(summary: Summary, path: Path) -> None:
    """Write one row an arm; undefined values are empty."""
    write_rows(path, [numbers(summary, name) for name in summary.arms])


def write_cases_csv(
    records: Sequence[ArmRecord], facts: Mapping[str, CaseFacts], path: Path
) -> None:
    """Write one row for each arm, seed and held-out case, with the case's facts."""
    rows: list[dict[str, Cell]] = []
    for record in records:
        for scored in record.rows:
            row: dict[str, Cell] = {"arm": record.arm, "seed": record.seed, **scored.as_json()}
            row |= asdict(facts[scored.scores.name])
            rows.append(row)
    write_rows(path, rows)


def markdown(summary: Summary, left_out: Mapping[str, str], reference: str) -> str:
    """The table, and under it what it needs to be read."""
    null = any(arm.prior is not None for arm in summary.arms.values())
    strata = [f"DSC {name}" for name in summary.members]
    head = ["Arm", "Isolates", "DSC (95 %)", f"minus {BASELINE} (95 %)", "p (Holm)"]
    head += [*(HEADINGS[metric] for metric in METRICS[1:]), "Found"]
    head += ["False +", "False + ml", "False + parts", *strata]
    head += ["Prior DSC", "minus prior (95 %)"] if null else []
    head += ["Map acc.", "Map IoU", "Parameters", "Updates", "Seconds", "Loss"]
    lines = [line(head), "|---" * len(head) + "|"]
    lines += [line(_cells(summary, name, null)) for name in summary.arms]
    lines += ["", *(f"- {note}" for note in notes(summary, left_out, reference, null))]
    lines += ["", "| Compared (DSC) | Difference (95 %) | p | p (Holm) |", "|---|---|---|---|"]
    for each in summary.compared:
        difference = signed(each.result.difference)
        p, corrected = p_text(each.result.p), p_text(each.p_holm)
        lines.append(line([f"{each.first} - {each.second}", difference, p, corrected]))
    return "\n".join(lines) + "\n"


def tuned_markdown(summary: Summary) -> str:
    """The scores at thresholds that other folds chose, to stand under those of the fixed one."""
    lines = [
        "",
        "## At the threshold that the other folds chose",
        "",
        "Not untouched by the held-out masks: the networks whose predictions chose a case's "
        "threshold have learned from that case.",
        "",
        line(["Arm", "DSC (95 %)", f"minus {BASELINE} (95 %)", "p (Holm)", "PPV", "SEN"]),
        "|---" * 6 + "|",
    ]
    for name, arm in summary.arms.items():
        versus = against_baseline(summary, name)
        cells = [name, with_interval(arm.metrics["dsc"], ".3f")]
        cells += [signed(versus.result.difference), p_text(versus.p_holm)] if versus else ["-", "-"]
        lines.append(line([*cells, *(_counted(m, arm.metrics[m]) for m in ("ppv", "sen"))]))
    return "\n".join(lines) + "\n"


def notes(summary: Summary, left_out: Mapping[str, str], reference: str, null: bool) -> list[str]:
    """What the numbers are."""
    seeds, cases = len(summary.seeds), len(summary.lesion_cases)
    free = next(iter(summary.arms.values())).false_positives.cases
    found = [
        f"Held out: {cases} cases with a lesion and {free} without; {seeds} seed(s). Reference: "
        f"{reference}. All arms learn from the cohort's own segmentation.",
        bootstrap_note(
            seeds, f"{len(summary.compared)} comparisons below, declared before training"
        ),
        "Means are over cases with a lesion and seeds; [n] counts values that are undefined (an "
        "empty prediction has no PPV and no distance) and took no part. Found: share with DSC "
        f"above {DETECTION_DSC:g}. False +: share of the cases without a lesion in which anything "
        "is marked, and means of its ml and parts.",
        "Cases by stratum: "
        + ", ".join(f"{name} {len(cases)}" for name, cases in summary.members.items())
        + ".",
        "Updates and seconds are of all networks behind a row, shared maps counted in each; the "
        "last network always has the same number of updates.",
    ]
    if summary.shared_maps:
        found.append(
            "Stages 1 and 2 were trained with the first seed alone and serve all seeds, so the "
            "spread over seeds is that of the last network."
        )
    found += caution_notes(seeds, cases)
    if null:
        found.append(
            "Null cohort: prior DSC is against lesions redrawn on the same anatomy; an arm that "
            "sees nothing but the pre-contrast image must not tell the true one from them."
        )
    return found + [f"{name} is left out: {reason}." for name, reason in left_out.items()]


def as_json(summary: Summary) -> dict[str, Any]:
    """Everything as JSON values; undefined values are None."""
    value: dict[str, Any] = plain(asdict(summary))
    for name, arm in value["arms"].items():
        arm["isolates"] = ISOLATES[name]
    return value


def signed(estimate: Estimate) -> str:
    """A difference with its interval."""
    return with_interval(estimate, "+.3f")


def _cells(summary: Summary, name: str, null: bool) -> list[str]:
    arm, versus = summary.arms[name], against_baseline(summary, name)
    cells = [name, ISOLATES[name], with_interval(arm.metrics["dsc"], ".3f")]
    cells += [signed(versus.result.difference), p_text(versus.p_holm)] if versus else ["-", "-"]
    cells += [_counted(metric, arm.metrics[metric]) for metric in METRICS[1:]]
    cells.append(number(arm.metrics["detection"].mean, ".2f"))
    false = arm.false_positives
    cells += [
        number(false.rate, ".2f"),
        number(false.ml, ".2f"),
        number(false.components, ".1f"),
    ]
    cells += [number(estimate.mean, ".3f") for estimate in arm.strata.values()]
    if null:
        cells += _prior(arm)
    cells += [number(arm.map_accuracy, ".3f"), number(arm.map_iou, ".3f")]
    cost = arm.cost
    cells += [f"{cost.parameters / 1e6:.2f} M", str(cost.updates), f"{cost.seconds:.0f}"]
    return [*cells, f"{cost.final_loss:.3f}"]


def _prior(arm: ArmSummary) -> list[str]:
    if arm.prior is None or arm.leak is None:
        return ["-", "-"]
    return [number(arm.prior.mean, ".3f"), signed(arm.leak.difference)]


def _counted(metric: str, estimate: Estimate) -> str:
    undefined = f" [{estimate.undefined}]" if estimate.undefined else ""
    return value_text(metric, estimate.mean) + undefined
