"""The ResUNet of a cross-validation with one thing changed, on the same folds, patches and updates.

    python bench/trials.py COHORT --crossed CROSSED -o OUT --trial regression [--fold I]

With `--fold` only that fold is trained and nothing is told; without, what is missing is trained,
and DSC is compared patient by patient with arm B0 and the first seed of CROSSED, both at the fixed
threshold. Trials:

    focal-tversky  (1 - Tversky index)^0.75, missed voxels weighing 0.7 and false ones 0.3
                   (Abraham and Khan 2019), in the place of Dice
    regression     second head: relative enhancement of each voxel, by smooth L1 in the breast

What a setting alone changes is a call of `hcnet ablate --set` (docs/results.md).
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.evaluate import read_mask, score_case
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.files import read_json
from hcnet.inference.windows import predict, tumour_model
from hcnet.nets.auxiliary import AuxiliaryNet
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.resunet import ResUNet
from hcnet.prepare.cache import prepared_cases
from hcnet.runtime import make_fabric
from hcnet.studies.ablation.records import read_record
from hcnet.studies.material import split_into_folds
from hcnet.training.folder import read_run_config, write_array
from hcnet.training.patches import PatchSource
from hcnet.training.stage_kis import train_segmenter
from hcnet.training.validate import native_mask
from hcnet.volumes.volume import to_canonical

ENHANCEMENT = (-0.5, 3.0)  # relative; what lies outside is noise of dark voxels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--crossed", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--trial", choices=TRIALS, required=True)
    parser.add_argument("--fold", type=int)
    options = parser.parse_args()
    config = read_run_config(options.crossed)
    count = len(read_json(options.crossed / "results.json")["folds"])
    cohort = read_cohort(options.cohort, "functional")
    splits = split_into_folds(cohort, None, config, count)
    cases = prepared_cases(cohort.cases, config.prepare, options.crossed / "cache")
    ready = {case.name: case for case in cases}
    for fold in range(count) if options.fold is None else [options.fold]:
        run_fold(splits[fold], ready, config, options.out / options.trial, fold, options.trial)
    if options.fold is None:
        tell(splits, ready, config, options.out / options.trial, options.crossed)


def run_fold(split, ready, config, out, fold, trial) -> None:
    """Train, and keep the probabilities of the held-out cases, unless they are there."""
    fabric = make_fabric("32-true")
    learn = [ready[case.name] for case in split.train]
    held = [ready[case.name] for case in split.test]
    files = {case.name: out / f"fold{fold}" / f"{case.name}.npy" for case in held}
    if all(file.exists() for file in files.values()):
        return
    model = TRIALS[trial](learn, config, out / f"fold{fold}", fabric)
    for case in held:
        image = torch.from_numpy(np.array(case.image))[None]
        window, overlap = config.kis.patch, config.inference.overlap
        found = predict(tumour_model(model), image, window, overlap, fabric)[0]
        write_array(files[case.name], found.numpy().astype(np.float16))


def tell(splits, ready, config, out, crossed) -> None:
    own, other = [], []
    for fold, split in enumerate(splits):
        record = read_record(crossed / "seed0" / f"fold{fold}" / "B0")
        before = {row.scores.name: row.value("dsc") for row in record.rows}
        for case in split.test:
            found = np.load(out / f"fold{fold}" / f"{case.name}.npy").astype(np.float32)
            mask = to_canonical(native_mask(ready[case.name], found, config))
            truth = read_mask(case.tumour)
            own.append(score_case(case.name, mask.data > 0, truth.data > 0, truth.grid).dsc)
            other.append(before[case.name])
    d = crossed_comparison([own], [other])
    for name, value in (
        ("DSC", crossed_mean([own])),
        ("B0", crossed_mean([other])),
        ("difference", d.difference),
    ):
        print(f"{name}: {value.mean:+.3f} ({value.low:+.3f} to {value.high:+.3f}), n {value.n}")
    print(f"p {d.p:.3f}")


def train(name, build, learn, config, folder, fabric, loss, **more):
    """Stage 3's recipe; `more` are arrays beside the image, by case."""
    sources = [
        PatchSource(
            case.name,
            {key: case.files[key] for key in ("image", "breast", "tumour")}
            | {key: files[case.name] for key, files in more.items()},
            case.files["tumour"],
        )
        for case in learn
    ]
    spacing = learn[0].grid.spacing
    return train_segmenter(name, build, sources, spacing, folder, config, fabric, loss=loss)


def plain(config):
    return ResUNet(1, 1, config.kis.network.options["width"])


def tumour_terms(logits, batch, config):
    terms = {"lambda_": config.kis.lambda_, "lambda_on": config.kis.lambda_on}
    return segmentation_loss(logits, batch["tumour"], **terms)["loss"]


def focal_tversky(learn, config, folder, fabric):
    def loss(model, batch):
        logits, truth = model(batch["image"]).float(), batch["tumour"].float()
        p = logits.sigmoid()
        hit, missed, false = (p * truth).sum(), ((1 - p) * truth).sum(), (p * (1 - truth)).sum()
        index = (hit + 1) / (hit + 0.7 * missed + 0.3 * false + 1)
        entropy = F.binary_cross_entropy_with_logits(logits, truth)
        return {"loss": config.kis.lambda_ * (1 - index) ** 0.75 + entropy}

    build = partial(plain, config)
    return train("focal Tversky", build, learn, config, folder, fabric, loss)


def regression(learn, config, folder, fabric):
    files = {case.name: folder / "enhancement" / f"{case.name}.npy" for case in learn}
    for case in learn:
        before, after = np.array(case.phases[0], np.float32), np.array(case.phases[1], np.float32)
        inside = np.asarray(case.breast) > 0
        floor = np.percentile(before[inside], 5)
        enhancement = np.clip((after - before) / np.maximum(before, floor), *ENHANCEMENT)
        write_array(files[case.name], np.where(inside, enhancement, 0).astype(np.float32)[None])

    def loss(model, batch):
        logits = model(batch["image"])
        cost = F.smooth_l1_loss(logits[:, 1:], batch["enhancement"], reduction="none", beta=0.2)
        inside = (batch["enhancement"] != 0).float()
        task = (cost * inside).sum() / inside.sum().clamp_min(1)
        return {"loss": tumour_terms(logits[:, :1], batch, config) + task, "enhancement": task}

    def build():
        return AuxiliaryNet(1, 1, config.kis.network.options["width"])

    return train("regression", build, learn, config, folder, fabric, loss, enhancement=files)


TRIALS = {"focal-tversky": focal_tversky, "regression": regression}

if __name__ == "__main__":
    main()
