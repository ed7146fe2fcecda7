"""`hcnet bundle`: what bundles there are, what they hold, whether they are whole; making one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hcnet.cli.options import Json, MaskedCohort, ResumedFolder, Segmentation
from hcnet.cli.verb import LOOK, Verbs, add_verb

if TYPE_CHECKING:
    from rich.table import Table

    from hcnet.inference.bundle import Bundle

bundle = typer.Typer(
    name="bundle",
    cls=Verbs,
    help="Trained networks in one folder or zip. BUNDLE is a path, or the name of one that comes "
    "with hcnet.",
    **LOOK,
)

BundleName = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="Folder, zip, or name of one that comes with hcnet.")
]


def list_(as_json: Json = False) -> None:
    """List the bundles that come with hcnet.

    Examples:
        hcnet bundle list
    """
    from rich.table import Table

    from hcnet.cli.console import answer, show
    from hcnet.inference.built_in import DEFAULT, built_in_bundles
    from hcnet.inference.bundle import open_bundle

    rows = [_facts(open_bundle(path)) for path in built_in_bundles().values()]
    if as_json:
        answer({"default": DEFAULT, "bundles": rows})
        return
    table = Table("bundle", "trained on", "cases", "members", "MB", "cross-validated DSC (95 %)")
    for row in rows:
        name = f"{row['name']} (default)" if row["name"] == DEFAULT else row["name"]
        size = f"{row['bytes'] / 1e6:.1f}"
        cells = (name, row["cohort"], row["cases"], row["members"], size, _dsc_text(row["dsc"]))
        table.add_row(*map(str, cells))
    show(table if rows else "No bundle comes with this installation.")


def info(name: BundleName, as_json: Json = False) -> None:
    """Show what a bundle holds: networks, training data, scores, licence.

    Examples:
        hcnet bundle info ispy1-small
        hcnet bundle info run/bundle --json
    """
    from hcnet.cli.console import answer, show
    from hcnet.inference.built_in import find_bundle
    from hcnet.inference.bundle import open_bundle

    opened = open_bundle(find_bundle(name))
    if as_json:
        answer(opened.info.model_dump(mode="json", by_alias=True))
    else:
        show(_table(opened))


def verify(name: BundleName, as_json: Json = False) -> None:
    """Check a bundle: every hash, that the weights fit, that the networks compute.

    Examples:
        hcnet bundle verify ispy1-small
        hcnet bundle verify downloaded.zip
    """
    from hcnet.cli.console import answer, show
    from hcnet.inference.built_in import find_bundle
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.verify import verify_bundle

    opened = open_bundle(find_bundle(name))
    checked = verify_bundle(opened)
    if as_json:
        answer(
            {
                "bundle": opened.info.name,
                "sha256": opened.digest(),
                "members": checked.members,
                "parameters": checked.parameters,
            }
        )
    else:
        show(
            f"{opened.info.name}: whole; {checked.members} member(s), "
            f"{checked.parameters / 1e6:.2f} M parameters, sha256 {opened.digest()}"
        )


def make(
    cohort: MaskedCohort,
    out: ResumedFolder,
    crossed: Annotated[
        Path,
        typer.Option(
            "--crossed",
            metavar="FOLDER",
            help="Results of `hcnet ablate COHORT --folds N` with the arm P on the same cases.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the bundle.")],
    licence: Annotated[
        str, typer.Option("--licence", metavar="TEXT", help="Of the bundle, after the data's.")
    ],
    members: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=16, help="Networks of as many seeds that predict together."
        ),
    ] = 1,
    share_maps: Annotated[
        bool,
        typer.Option(
            "--share-maps",
            help="The HIPM of the first member serves all; the bundle holds it once.",
        ),
    ] = False,
    of_folds: Annotated[
        bool,
        typer.Option(
            "--of-folds",
            help="Instead a member for each fold of the cross-validation, trained without it.",
        ),
    ] = False,
    weights: Annotated[
        Literal["float16", "float32"], typer.Option(help="How weights are stored.")
    ] = "float16",
    segmentation: Segmentation = None,
    as_json: Json = False,
) -> None:
    """Train on all patients of a cross-validated cohort, and write OUT/bundle.

    Settings, scores, calibration and threshold come from the cross-validation, whose held-out
    predictions no network of the bundle has made.

    Examples:
        hcnet bundle make cohort -o out --crossed cv --name mine --licence CC-BY-4.0
        hcnet bundle make cohort -o out --crossed cv --of-folds --name x --licence y
    """
    from hcnet.cli.console import ConsoleProgress, answer, show
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.errors import ConfigError
    from hcnet.studies.final_bundle import make_bundle

    if of_folds and (members > 1 or share_maps):
        raise ConfigError(
            "--of-folds has a member for each fold; leave --members and --share-maps out."
        )
    made = make_bundle(
        read_cohort(cohort, segmentation),
        crossed,
        out,
        name=name,
        licence=licence,
        members=members,
        share_maps=share_maps,
        of_folds=of_folds,
        weights=weights,
        progress=ConsoleProgress(),
    )
    if as_json:
        answer({"bundle": str(made.path), **_facts(made)})
    else:
        show(_table(made))
        show(f"bundle: {made.path}")


def _facts(opened: "Bundle") -> dict[str, Any]:
    """A bundle in a few values; a size is known of folders only."""
    told = opened.info
    files = list(opened.path.iterdir()) if opened.path.is_dir() else [opened.path]
    return {
        "name": told.name,
        "path": str(opened.path),
        "cohort": told.training_data.get("cohort", ""),
        "cases": len(told.training_data.get("cases", ())),
        "members": opened.members,
        "bytes": sum(path.stat().st_size for path in files),
        "dsc": _dsc(told.scores),
        "licence": told.licence,
    }


def _dsc(scores: dict[str, Any]) -> dict[str, Any] | None:
    """Cross-validated DSC where the bundle tells one: of the ensemble, else of a single member."""
    try:
        found: dict[str, Any] = (
            scores["mean_of_seeds"]["dsc"]
            if "mean_of_seeds" in scores
            else scores["cross_validation"]["arms"]["P"]["metrics"]["dsc"]
        )
    except (KeyError, TypeError):
        return None
    return {key: found.get(key) for key in ("mean", "low", "high", "n")}


def _dsc_text(dsc: dict[str, Any] | None) -> str:
    return "-" if dsc is None else f"{dsc['mean']:.3f} ({dsc['low']:.3f} to {dsc['high']:.3f})"


def _table(opened: "Bundle") -> "Table":
    from rich.table import Table
    from rich.text import Text

    told, facts = opened.info, _facts(opened)
    table = Table(title=Text(told.name), show_header=False)
    spacing = told.prepare.spacing_mm
    rows = {
        "made": f"{told.created} by hcnet {told.hcnet_version}",
        "licence": told.licence,
        "trained on": f"{facts['cases']} cases of {facts['cohort']}",
        "cross-validated DSC": _dsc_text(facts["dsc"]),
        "members": f"{opened.members}, stored as {told.weights}, {facts['bytes'] / 1e6:.1f} MB",
        "HIPM": f"{told.hipm.network.name}, {opened.codebook.k} classes",
        "segmentation": f"{told.kis.network.name}, windows of "
        + " x ".join(map(str, told.kis.patch))
        + " voxels",
        "grid": "the exam's own" if spacing is None else " x ".join(f"{s:g}" for s in spacing)
        + " mm (R, A, S)",
        "threshold": f"{told.inference.threshold:g}",
        "calibration": "none" if told.calibration is None
        else f"temperature {told.calibration.temperature:.2f}, "
        f"offset {told.calibration.offset:.2f}",
        "sha256": opened.digest(),
    }  # fmt: skip
    for key, value in rows.items():
        # Text, not str: what a bundle says must not be read as markup.
        table.add_row(key, Text(value, overflow="fold"))
    return table


for _verb in (list_, info, verify, make):
    add_verb(bundle, _verb)
