"""All that a comparison leaves behind: tables, figure, panels, and every number as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hcnet.files import write_aside, write_json, write_text
from hcnet.nets.registry import NETWORKS, network_recipe
from hcnet.progress import SILENT, Progress
from hcnet.runtime import environment
from hcnet.studies.compare.entries import Entry
from hcnet.studies.compare.figure import table_figure
from hcnet.studies.compare.latex import latex
from hcnet.studies.compare.panel import Group, maps_panel, mask_panel, shown_entries
from hcnet.studies.compare.plan import Plan, Task, network_settings
from hcnet.studies.compare.records import MapRecord, TumourRecord
from hcnet.studies.compare.run import Comparison
from hcnet.studies.compare.summary import (
    MAP_METRICS,
    Summary,
    summarise_maps,
    summarise_tumours,
)
from hcnet.studies.compare.tables import (
    markdown,
    metrics_of,
    notes,
    write_cases_csv,
    write_comparisons_csv,
    write_table_csv,
)
from hcnet.studies.compare.trainings import one_leg
from hcnet.studies.notes import plain, with_interval
from hcnet.studies.truth import EXACT, READER, is_phantom
from hcnet.training.split import patient_of

RESULTS = "results.json"
_DPI = 160
_GROUPS: tuple[Group, ...] = ("pre", "post")


def write_results(
    comparison: Comparison,
    records: Sequence[TumourRecord | MapRecord],
    progress: Progress = SILENT,
) -> list[str]:
    """Summarise complete records and write them to the comparison's folder.

    Writes table1.md, .csv and .tex (fig3.* for maps), comparisons.csv, cases.csv, results.json,
    figure.png and .svg, and the panels of some held-out cases.

    Args:
        comparison: what was done, and where its masks or maps lie.
        records: of every training.
        progress: listener.

    Returns:
        lines to read: the main scores of each row, and where the table is.

    Raises:
        InputError: a mask, a map or an exam cannot be read any more.
    """
    out, plan, measured = comparison.out, comparison.plan, comparison.estimated.measured
    tumours = [record for record in records if isinstance(record, TumourRecord)]
    maps = [record for record in records if isinstance(record, MapRecord)]
    patients = {case.name: patient_of(case) for split in plan.splits for case in split.test}
    seed = comparison.config.seed
    if plan.task == "tumour":
        summary, name = summarise_tumours(tumours, plan.entries, patients, seed), "table1"
    else:
        summary, name = summarise_maps(maps, plan.entries, patients, seed), "fig3"
    said = notes(
        summary,
        reference=_reference(plan),
        updates=plan.updates,
        window=comparison.config.kis.patch,
        classes=comparison.config.kinetics.k,
        device=next(iter(measured.values())).device,
    )
    write_text(out / f"{name}.md", markdown(summary, measured, said))
    write_text(out / f"{name}.tex", latex(summary, measured))
    write_table_csv(summary, measured, out / f"{name}.csv")
    if summary.compared:
        write_comparisons_csv(summary, out / "comparisons.csv")
    write_cases_csv(records, out / "cases.csv")
    write_json(out / RESULTS, as_json(summary, comparison, said))
    figure = table_figure(summary)
    for suffix in ("png", "svg"):
        _save(figure, out / f"figure.{suffix}")
    progress.message("drawing held-out cases")
    if plan.task == "map":
        _save(maps_panel(comparison, maps), out / "panel_maps.png")
    else:
        for group in (each for each in _GROUPS if shown_entries(plan.entries, each)):
            _save(mask_panel(comparison, tumours, group), out / f"panel_{group}.png")
    return [*_lines(summary), f"table: {out / name}.md"]


def as_json(summary: Summary, comparison: Comparison, said: Sequence[str]) -> dict[str, Any]:
    """Results and all that they depend on as JSON values; undefined values are None."""
    plan, config = comparison.plan, comparison.config
    found: dict[str, Any] = plain(
        {
            **asdict(summary),
            "task": plan.task,
            "reference": _reference(plan),
            "notes": list(said),
            "entries": [_entry(entry, comparison) for entry in plan.entries],
            "updates": plan.updates,
            "patch": config.kis.patch,
            "batch_size": config.kis.batch_size,
            "seeds": [config.seed + number for number in range(plan.seeds)],
            "folds": [
                {"train": [case.name for case in split.train],
                 "test": [case.name for case in split.test]}
                for split in plan.splits
            ],
            "extra": [case.name for case in plan.splits[0].extra],
            "measured": {key: asdict(each) for key, each in comparison.estimated.measured.items()},
            "precision": config.precision,
            "environment": environment(),
        }
    )  # fmt: skip
    return found


def _entry(entry: Entry, comparison: Comparison) -> dict[str, Any]:
    """A row of the plan: its network's size, and how that is trained."""
    network = NETWORKS[entry.network]
    return {
        "name": entry.name,
        "title": entry.title,
        "network": entry.network,
        "inputs": entry.inputs,
        "reference": network.reference,
        "options": network_settings(entry.network, comparison.config).options,
        "recipe": recipe_told(entry.network, comparison.plan.task),
    }


def recipe_told(network: str, task: Task) -> dict[str, Any]:
    """How a network is trained, its losses by their names."""
    tumour = task == "tumour"
    told = asdict(network_recipe(network) if tumour else one_leg(network))
    common = "Eq. (5)" if tumour else "Eq. (2)"
    for leg in told["legs"]:
        leg["loss"] = common if leg["loss"] is None else leg["loss"].__name__
    return told


def _reference(plan: Plan) -> str:
    return EXACT if is_phantom(plan.splits[0].root) else READER


def _lines(summary: Summary) -> list[str]:
    shown: Mapping[str, Any] = metrics_of(summary)
    names = ("dsc",) if "dsc" in shown else MAP_METRICS
    return [
        f"{row.entry.title}: " + ", ".join(
            f"{shown[name].heading} {with_interval(row.metrics[name], shown[name].form)}"
            for name in names
        )
        for row in summary.rows
    ]  # fmt: skip


def _save(figure: Figure, path: Path) -> None:
    with write_aside(path) as aside:
        figure.savefig(aside, dpi=_DPI)
