"""The report of a comparison or an ablation, gathered from the files in its folder."""

import datetime
import io
import math
from pathlib import Path

from PIL import Image

from hcnet.errors import InputError
from hcnet.evaluation.statistics import Estimate
from hcnet.evaluation.tables import HEADINGS
from hcnet.files import read_json
from hcnet.report.blocks import FEW, FEW_RULE
from hcnet.report.content import Cell, Picture, Section, StudyReport, Table
from hcnet.report.reliability import calibration_section
from hcnet.report.study import Method, Study, read_study
from hcnet.report.study_charts import Pairs, differences_figure, paired_lines_figure, pairs_of

CALIBRATION = "calibration.json"
_PANELS = (
    ("panel_pre", "Held-out cases, methods that see the pre-contrast image alone."),
    ("panel_post", "Held-out cases, methods that see contrast."),
    ("panel_maps", "True and predicted maps of held-out cases."),
)
_HEADINGS = {**HEADINGS, "detection": "Found", "mean_accuracy": "Mean Accuracy",
             "mean_iou": "Mean IoU"}  # fmt: skip
_LONG = 20


def study_page(folder: Path) -> StudyReport:
    """What is told of the study in `folder`.

    Raises:
        InputError: a file is missing or damaged.
    """
    study = read_study(folder)
    settings = dict(study.settings)
    if (folder / "config.json").is_file():
        settings["config"] = read_json(folder / "config.json")
    panels = [(name, text, folder / f"{name}.png") for name, text in _PANELS]
    pictures = tuple(
        Picture(name, _stored(path), text, "Rows of patients: image, reference, predictions.")
        for name, text, path in panels
        if path.is_file()
    )
    return StudyReport(
        title=folder.resolve().name,
        source=f"reference: {study.truth}",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        kind="Ablation" if study.ablation else "Comparison of networks",
        table=Section(
            tables=(_methods_table(study), *_differences_tables(study)),
            pictures=_forest(folder),
        ),
        paired=_paired(study),
        panels=Section(pictures=pictures),
        calibration=calibration_section(folder / CALIBRATION),
        notes=(*study.notes, *_few(study)),
        warnings=study.warnings,
        settings=settings,
        environment=study.environment,
    )


def _forest(folder: Path) -> tuple[Picture, ...]:
    """The figure that the study drew itself."""
    path = folder / "figure.png"
    if not path.is_file():
        return ()
    caption = "Mean of each method with its 95 % interval, and beside it the difference to another."
    return (Picture("forest", _stored(path), caption, "Forest plot, a row a method."),)


def _stored(path: Path) -> bytes:
    """The content of a PNG file, once it was seen to be one."""
    content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path}: is no PNG that can be read ({error}); run the study anew, or remove the file."
        ) from None
    return content


def _methods_table(study: Study) -> Table:
    metrics = list(study.methods[0].metrics)
    false = any(method.false_positives and method.false_positives.cases for method in study.methods)
    rows = tuple(
        (
            method.title,
            method.detail,
            *(_interval(metric, method.metrics[metric]) for metric in metrics),
            *(_false(method) if false else ()),
            f"{method.parameters / 1e6:.2f} M",
            f"{method.training_s:.0f}",
        )
        for method in study.methods
    )
    columns = (
        "Arm" if study.ablation else "Method",
        "Isolates" if study.ablation else "Sees",
        *(_HEADINGS.get(metric, metric) for metric in metrics),
        *(("False +", "False + (ml)") if false else ()),
        "Parameters",
        "Training (s)",
    )
    return Table(
        "Arms" if study.ablation else "Table 1" if study.metric == "dsc" else "Maps",
        columns,
        rows,
        "Means over held-out patients with 95 % intervals; [n] counts values that are undefined "
        "and took no part.",
    )


def _interval(metric: str, estimate: Estimate) -> str:
    form = ".2f" if metric.endswith("_mm") or metric == "detection" else ".3f"
    counted = f" [{estimate.undefined}]" if estimate.undefined else ""
    if math.isnan(estimate.mean):
        return f"undefined{counted}"
    if math.isnan(estimate.low):
        return f"{estimate.mean:{form}}{counted}"
    # a word joiner on both sides of the dash, or narrow columns break there
    interval = f"{estimate.low:{form}}\u2060–\u2060{estimate.high:{form}}"
    return f"{estimate.mean:{form}}{counted}\n({interval})"


def _false(method: Method) -> tuple[Cell, Cell]:
    found = method.false_positives
    return (None, None) if found is None else (found.rate, found.ml)


def _differences_tables(study: Study) -> tuple[Table, ...]:
    titles = {method.name: _title(study, method) for method in study.methods}
    rows = tuple(
        (
            f"{titles.get(each.first, each.first)} minus {titles.get(each.second, each.second)}",
            _HEADINGS.get(each.metric, each.metric),
            _signed(each.estimate),
            each.p,
            each.p_holm,
        )
        for each in study.differences
    )
    columns = ("Compared", "Metric", "Difference (95 %)", "p", "p (Holm)")
    table = Table("All comparisons that were made", columns, rows, folded=len(rows) > _LONG)
    return (table,) if rows else ()


def _signed(estimate: Estimate) -> str:
    if math.isnan(estimate.mean) or math.isnan(estimate.low):
        return "undefined" if math.isnan(estimate.mean) else f"{estimate.mean:+.3f}"
    return f"{estimate.mean:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _paired(study: Study) -> Section:
    pairs = _pairs(study)
    if study.reference is None or not pairs:
        return Section()
    reference = _title(study, study.method(study.reference))
    metric = _HEADINGS[study.metric]
    cases = len(study.scores[study.reference])
    return Section(
        text=(
            f"{metric} of each of {cases} held-out cases, mean over seeds, beside that of "
            f"{reference}. The interval is of the mean difference, from the study's own results.",
        ),
        pictures=(
            Picture(
                "differences",
                differences_figure(pairs, reference, metric),
                f"{metric} of each method minus that of {reference}, a dot a case.",
                "Rows of dots, a row a method, with median and mean.",
            ),
            Picture(
                "paired",
                paired_lines_figure(pairs, reference, metric),
                f"Patient by patient: {metric} of {reference} on the left, of the method on the "
                "right.",
                "Lines that join both scores of each case, a chart a method.",
            ),
        ),
    )


def _pairs(study: Study) -> list[Pairs]:
    """The methods that share a case with the reference method, in the order of the table."""
    if study.reference is None or study.reference not in study.scores:
        return []
    reference = study.scores[study.reference]
    found = []
    for method in study.methods:
        if method.name == study.reference:
            continue
        made = study.against(method.name)
        title, scores = _title(study, method), study.scores[method.name]
        if made is None:
            found.append(pairs_of(title, scores, reference))
        else:
            found.append(pairs_of(title, scores, reference, made.estimate, made.p_holm))
    return [pair for pair in found if len(pair.method)]


def _title(study: Study, method: Method) -> str:
    return method.title if study.ablation else f"{method.title} ({method.detail})"


def _few(study: Study) -> tuple[str, ...]:
    """The rule for few patients, which a comparison's own notes have already."""
    cases = max(len(scores) for scores in study.scores.values())
    return (FEW_RULE,) if study.ablation and cases < FEW else ()
