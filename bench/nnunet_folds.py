"""nnU-Net v2 on the folds of a cross-validation, pre-contrast, as long as our networks take.

    make .venv-nnunet/installed
    python bench/nnunet_folds.py COHORT -o OUT --crossed CROSSED --updates 360 [--fold I]

The plan is nnU-Net's own 3d_fullres plan of the cohort but for its size: grid, patch and batch are
those of CROSSED and the network has eight channels, so that a core makes about as many updates a
minute as with our ResUNet. Losses, deep supervision, optimiser, rate, augmentation, sampling and
votes of mirror images are nnU-Net's. With `--fold` only that fold is trained and nothing is told;
without, what is missing is trained and all is scored inside the breast and compared, patient by
patient, with the arms of CROSSED's first seed. nnU-Net's fingerprint is of all cases; for MR its
plan takes no more from it than sizes, and each case is normalised by itself.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.evaluate import METRICS, read_mask, score_case
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.files import read_json, write_json
from hcnet.prepare.cache import stored_case
from hcnet.studies.ablation.records import read_record
from hcnet.studies.score import score_table
from hcnet.training.folder import read_run_config
from hcnet.training.validate import native_prediction
from hcnet.volumes.nifti import read_nifti
from hcnet.volumes.volume import to_canonical

BIN = Path(__file__).resolve().parents[1] / ".venv-nnunet" / "bin"
TRAINER = Path(__file__).with_name("nnunet_training.py")
NUMBER, NAME = "700", "Dataset700_Tumour"
CHANNELS = 8
STEPS = 20  # an epoch of nnU-Net; it only divides the updates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--crossed", type=Path, required=True)
    parser.add_argument("--updates", type=int, required=True)
    parser.add_argument("--fold", type=int)
    options = parser.parse_args()
    if not (BIN / "nnUNetv2_train").exists():
        sys.exit("nnU-Net is not installed; run `make .venv-nnunet/installed` first.")
    config, count = read_run_config(options.crossed), len(list(options.crossed.glob("seed0/fold*")))
    plan(options.cohort, options.out, config, count)
    for fold in range(count) if options.fold is None else [options.fold]:
        train(options.out, fold, options.updates)
    if options.fold is None:
        tell(options.cohort, options.out, options.crossed, count)


def run(out: Path, *words: object, loaders: int = 1) -> None:
    """A program of nnU-Net's; without loaders it reads patches in the process that trains."""
    folders = {f"nnUNet_{name}": str(out / name) for name in ("raw", "preprocessed", "results")}
    limits = {"nnUNet_n_proc_DA": str(loaders), "nnUNet_def_n_proc": "1"}
    words = [str(word) for word in words]
    subprocess.run(words, check=True, env={**os.environ, **folders, **limits})


def plan(cohort: Path, out: Path, config, folds: int) -> None:
    """Export, plan and preprocess, unless that is done."""
    prepared = out / "preprocessed" / NAME
    if (prepared / "ready").exists():
        return
    hcnet = [sys.executable, "-m", "hcnet", "export", "nnunet", cohort, out / "raw"]
    run(out, *hcnet, "--id", NUMBER, "--name", "Tumour", "--target", "tumour", "--phases", "pre",
        "--segmentation", "functional", "--folds", folds, "--seed", config.seed)  # fmt: skip
    for word in ("extract_fingerprint", "plan_experiment"):
        run(out, BIN / f"nnUNetv2_{word}", "-d", NUMBER)
    plans = prepared / "nnUNetPlans.json"
    value = json.loads(plans.read_text())
    settings = value["configurations"]["3d_fullres"]
    # Ours is (x, y, z) and nnU-Net's files are read as (z, y, x), whose axes the plan then moves.
    moved = [2 - axis for axis in value["transpose_forward"]]
    settings.update(
        batch_size=config.kis.batch_size,
        patch_size=[config.kis.patch[axis] for axis in moved],
        spacing=[config.prepare.spacing_mm[axis] for axis in moved],
    )
    settings["architecture"]["arch_kwargs"].update(
        n_stages=4,
        features_per_stage=[CHANNELS * 2**level for level in range(4)],
        kernel_sizes=[[3, 3, 3]] * 4,
        strides=[[1, 1, 1]] + [[2, 2, 2]] * 3,
        n_conv_per_stage=[2] * 4,
        n_conv_per_stage_decoder=[2] * 3,
    )
    plans.write_text(json.dumps(value))
    run(out, BIN / "nnUNetv2_preprocess", "-d", NUMBER, "-c", "3d_fullres", "-np", "1")
    shutil.copy(out / "raw" / NAME / "splits_final.json", prepared)
    (prepared / "ready").touch()


def train(out: Path, fold: int, updates: int) -> None:
    """Train a fold and predict its held-out cases, unless that is done."""
    done = out / f"fold{fold}.json"
    if done.exists():
        before = read_json(done)["updates"]
        if before != updates:
            sys.exit(
                f"{out}: fold {fold} had {before} updates, not {updates}; take another folder."
            )
        return
    started = time.monotonic()
    run(out, BIN / "python", TRAINER, NUMBER, fold, -(-updates // STEPS), STEPS, loaders=0)
    write_json(done, {"updates": updates, "seconds": time.monotonic() - started})


def tell(folder: Path, out: Path, crossed: Path, folds: int) -> None:
    cohort, keys = read_cohort(folder, "functional"), read_json(crossed / "cohort.json")
    rows, names = {}, {name.lower(): name for name in keys}
    results = out / "results" / NAME / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    for fold in range(folds):
        for file in sorted((results / f"fold_{fold}" / "validation").glob("*.nii.gz")):
            name = names[file.name.removesuffix(".nii.gz").lower()]
            case = stored_case(name, crossed / "cache" / keys[name])
            breast = to_canonical(native_prediction(case, np.asarray(case.breast, np.float32))[1])
            mask = (to_canonical(read_nifti(file)).data > 0) & (breast.data > 0)
            truth = read_mask(cohort[name].tumour)
            rows[name] = score_case(name, mask, truth.data > 0, truth.grid)
    seconds = sum(read_json(out / f"fold{fold}.json")["seconds"] for fold in range(folds))
    print(f"nnU-Net: {len(rows)} cases, {seconds / folds:.0f} s a fold")
    for metric in METRICS:
        told = crossed_mean([[getattr(row, metric) for row in rows.values()]])
        print(f"{metric}: {told.mean:.3f} ({told.low:.3f} to {told.high:.3f}), n {told.n}")
    print(f"found: {np.mean([row.dsc > 0.1 for row in rows.values()]):.2f}")
    records = [read_record(path.parent) for path in sorted(crossed.glob("seed0/*/*/scores.json"))]
    for arm in dict.fromkeys(record.arm for record in records):
        table = score_table([r for r in records if r.arm == arm], "dsc", list(rows))
        own = [[row.dsc for row in rows.values()]] * len(table)
        result = crossed_comparison(table, own)
        d = result.difference
        print(
            f"{arm} minus nnU-Net: {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f}), "
            f"p {result.p:.3f}, seeds {len(table)}"
        )


if __name__ == "__main__":
    main()
