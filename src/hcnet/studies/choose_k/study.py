"""The paper's K = 10 examined (3.2): clusterings of every K, judged on patients they have not seen.

OUT/settings.json    what the study was started with
OUT/cache/           prepared cases
OUT/fits/NAME.json   metrics of one fit (scale, method, K, seed); NAME.npz its held-out codes
OUT/results.json     all rows;  OUT/table.csv, .md;  OUT/figure.png, .svg

Defaults are small, so that 15 K of two scales and three methods take minutes on two cores: 50,000
curves are thousands for each code, and from 15 to 120 epochs of them the VQ-VAE's SSE at K = 10, on
the training cases of a small phantom, changed by no more than from seed to seed.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import InputError
from hcnet.files import read_json, write_aside, write_json
from hcnet.kinetics.alternatives import fit_alternative
from hcnet.kinetics.clustering import Clusterer, Clustering
from hcnet.kinetics.quality import Composition, measure
from hcnet.kinetics.settings import Scale
from hcnet.kinetics.tic import choose_time_grid
from hcnet.prepare.cache import prepared_cases
from hcnet.progress import SILENT, Progress
from hcnet.runtime import environment
from hcnet.studies.choose_k.agreement import agreement
from hcnet.studies.choose_k.folder import check_folder, same_study, study_record
from hcnet.studies.choose_k.held_out import HeldOut, draw_held_out
from hcnet.studies.choose_k.output import write_study
from hcnet.studies.choose_k.plan import Fit, Plan
from hcnet.studies.choose_k.rows import rows_of
from hcnet.training.split import patient_of, split_patients
from hcnet.training.stage_kinetics import CurveSource, fit_sample, training_sample

Floats = NDArray[np.float32]

# As in the paper, where the rate is halved six times in 300 epochs.
_HALVINGS = 6


def study_k(
    cohort: Cohort,
    retest: Cohort | None,
    config: Config,
    plan: Plan,
    out: Path,
    progress: Progress = SILENT,
) -> list[str]:
    """Fit and judge everything of a plan and write the results; see `run_fits` and `write_study`.

    Returns:
        a summary to read.
    """
    results = run_fits(cohort, retest, config, plan, out, progress)
    facts = {
        "cohort": str(cohort.root),
        "retest": None if retest is None else str(retest.root),
        "plan": asdict(plan),
        "held_out": [case["name"] for case in results[0]["cases"]],
        "environment": environment(),
    }
    return write_study(rows_of(results, out / "fits"), out, facts)


def run_fits(
    cohort: Cohort,
    retest: Cohort | None,
    config: Config,
    plan: Plan,
    out: Path,
    progress: Progress = SILENT,
) -> list[dict[str, Any]]:
    """Fit and judge everything of a plan; fits whose file is there already are taken from it.

    Args:
        cohort: cases with two phases or more; only training patients are fitted on.
        retest: second scans of the same patients, by case name; None where there are none.
        config: settings of preparation, split and VQ-VAE; K, scale, epochs and sample are the
            plan's.
        plan: what to fit.
        out: folder of the study.
        progress: listener.

    Returns:
        the content of each fit's file, in the order of `plan.fits`.

    Raises:
        InputError: a case has a single phase, the second scan of a held-out case is missing, there
            are too few patients, or `out` holds something else.
        GeometryError: a second scan lies on another grid than the first.
        ConfigError: `out` holds a study with other settings or cases.
    """
    cases = cohort.cases if plan.cases is None else cohort.cases[: plan.cases]
    _check_phases(cases)
    train, held_out = split_patients(cases, config.validation_share, config.seed)
    again = _second_scans(held_out, retest)
    check_folder(out)
    prepared = {c.name: c for c in prepared_cases(cases, config.prepare, out / "cache", progress)}
    same_study(out, study_record(config, plan, prepared, again))

    sources = [CurveSource.of(prepared[case.name]) for case in train]
    grid = choose_time_grid([source.clock for source in sources], config.kinetics.points)
    judged = [
        draw_held_out(
            prepared[case.name],
            patient_of(case),
            again.get(case.name),
            grid,
            np.random.default_rng([config.seed, 9, number]),
        )
        for number, case in enumerate(progress.track(held_out, "reading held-out cases"))
    ]
    study = _Study(config, plan, out, sources, grid, judged)
    return [study.result(fit) for fit in progress.track(plan.fits(), "fitting")]


class _Study:
    """One fit after another; samples and scaled curves are kept between those that share them."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        out: Path,
        sources: Sequence[CurveSource],
        grid: NDArray[np.float64],
        judged: Sequence[HeldOut],
    ) -> None:
        self._config, self._plan, self._out = config, plan, out
        self._sources, self._grid, self._judged = sources, grid, judged
        self._samples: dict[int, Floats] = {}
        self._scaled: dict[Scale, list[HeldOut]] = {}

    def result(self, fit: Fit) -> dict[str, Any]:
        """The metrics of a fit, from its file or anew."""
        path = self._out / "fits" / f"{fit.name}.json"
        if not path.exists():
            started = perf_counter()
            clusterer = self._fitted(fit)
            seconds = perf_counter() - started
            scale = clusterer.codebook.scale
            if scale not in self._scaled:
                self._scaled = {scale: [case.scaled(scale) for case in self._judged]}
            values, codes = judge(clusterer, self._scaled[scale])
            with write_aside(path.with_suffix(".npz")) as aside:
                np.savez_compressed(aside, **codes)
            write_json(path, {**asdict(fit), "fit_seconds": round(seconds, 2), **values})
        result: dict[str, Any] = read_json(path)
        return result

    def _fitted(self, fit: Fit) -> Clusterer:
        seed = self._config.seed + fit.seed
        if seed not in self._samples:
            sample = training_sample(self._sources, self._grid, self._plan.max_points, seed)
            self._samples[seed] = sample
        raw = self._samples[seed]
        epochs = self._plan.epochs
        settings = self._config.kinetics.model_copy(
            update={
                "k": fit.k,
                "scale": fit.scale,
                "epochs": epochs,
                "lr_halve_every": max(1, epochs // _HALVINGS),
            }
        )
        if fit.method != "vqvae":
            return fit_alternative(fit.method, raw, settings, self._grid, seed)
        with TemporaryDirectory() as folder:
            return fit_sample(raw, self._grid, settings, seed, Path(folder))


def judge(clusterer: Clusterer, cases: Sequence[HeldOut]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics of a clustering on held-out curves.

    Args:
        clusterer: fitted.
        cases: with their curves normalised by the scale of its codebook.

    Returns:
        JSON values: `codes` (its K), `quality` in TIC space, `latent` for the VQ-VAE, `tvr`, and
        under `cases` the agreement of each case's two scans in `breast` and `tumour`, null without
        a second scan or without tumour voxels; and the codes by "number/region" of the case.
    """
    k = clusterer.codebook.k
    codes: dict[str, Any] = {}
    composition = Composition(k)
    rows = []
    for number, case in enumerate(cases):
        row: dict[str, Any] = {"name": case.name, "patient": case.patient}
        for region in ("breast", "tumour"):
            first = clusterer.assign(getattr(case.test, region))
            codes[f"{number}/{region}"] = first
            row[region] = None
            if case.retest is not None and first.size:
                second = clusterer.assign(getattr(case.retest, region))
                row[region] = agreement(first, second, k).as_dict()
        if case.inside is not None:
            composition.add(codes[f"{number}/breast"], case.inside)
        rows.append(row)
    curves = np.concatenate([case.test.breast for case in cases])
    labels = np.concatenate([codes[f"{number}/breast"] for number in range(len(cases))])
    latent = None
    if isinstance(clusterer, Clustering):
        latent = measure(clusterer.latents(curves), labels, clusterer.vectors).as_dict()
    tvr = composition.tvr()
    return {
        "codes": k,
        "quality": measure(curves, labels, clusterer.decoded).as_dict(),
        "latent": latent,
        "tvr": None if tvr is None else {"tumour": tvr[0], "rest": tvr[1]},
        "cases": rows,
    }, codes


def _check_phases(cases: Sequence[Case]) -> None:
    for case in cases:
        if len(case.phases) < 2:
            raise InputError(
                f"{case.pre.location}: has a single phase; time-intensity curves need a "
                "pre-contrast and at least one post-contrast phase."
            )


def _second_scans(held_out: Sequence[Case], retest: Cohort | None) -> dict[str, Case]:
    if retest is None:
        return {}
    by_name = {case.name.lower(): case for case in retest.cases}
    for case in held_out:
        if case.name.lower() not in by_name:
            raise InputError(
                f"{retest.root}: has no second scan of {case.name}; give a cohort with the same "
                "case names."
            )
    second = {case.name: by_name[case.name.lower()] for case in held_out}
    _check_phases(list(second.values()))
    return second
