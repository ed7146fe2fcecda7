"""One thing changed in a cross-validation's training, on the same folds and patches.

    python bench/trials/run.py COHORT --crossed CROSSED -o OUT --trial TRIAL [--fold I]
    ... --trial phantom-pretraining --phantom PHANTOM

With `--fold` only that fold is trained and nothing is told; without, what is missing is trained,
and DSC is compared patient by patient with the mean of arms B0 and P over the seeds of CROSSED, all
at the fixed threshold. The trials are those of `recipes.py`, each with what it does. What a setting
alone changes is a call of `hcnet ablate --set` (docs/results.md).
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from recipes import RECIPES, Fold

from hcnet.arrays import write_array
from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.evaluate import read_mask, score_case
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.files import read_json
from hcnet.inference.windows import predict, tumour_model
from hcnet.prepare.cache import prepared_cases
from hcnet.studies.material import split_into_folds
from hcnet.training.descent import training_device
from hcnet.training.folder import read_run_config
from hcnet.training.validate import native_mask
from hcnet.volumes.volume import to_canonical

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from seeds import mean_of_seeds

ARMS = ("B0", "P")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--crossed", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--trial", choices=RECIPES, required=True)
    parser.add_argument("--phantom", type=Path, help="cohort of hcnet phantom")
    parser.add_argument("--fold", type=int)
    options = parser.parse_args()
    config = read_run_config(options.crossed)
    count = len(read_json(options.crossed / "results.json")["folds"])
    cohort = read_cohort(options.cohort, "functional")
    splits = split_into_folds(cohort, None, config, count)
    cases = prepared_cases(cohort.cases, config.prepare, options.crossed / "cache")
    ready = {case.name: case for case in cases}
    out, phantom = options.out / options.trial, []
    if options.phantom:
        made = read_cohort(options.phantom)
        phantom = prepared_cases(made.cases, config.prepare, options.out / "phantom-cache")
    for number in range(count) if options.fold is None else [options.fold]:
        fold = Fold(
            list(splits[number].train),
            [ready[case.name] for case in splits[number].train],
            out / f"fold{number}",
            options.crossed / "seed0" / f"fold{number}" / "P",
            phantom,
            config,
            training_device("32-true"),
        )
        run_fold(fold, [ready[case.name] for case in splits[number].test], options.trial)
    if options.fold is None:
        tell(splits, ready, config, out, options.crossed)


def run_fold(fold, held, trial) -> None:
    """Train, and keep the probabilities of the held-out cases, unless they are there."""
    files = {case.name: fold.folder / f"{case.name}.npy" for case in held}
    if all(file.exists() for file in files.values()):
        return
    model = tumour_model(RECIPES[trial](fold))
    window, overlap = fold.config.kis.patch, fold.config.inference.overlap
    for case in held:
        image = torch.from_numpy(np.array(case.image))[None]
        found = predict(model, [image], window, overlap, fold.device)[0]
        write_array(files[case.name], found.numpy().astype(np.float16))


def tell(splits, ready, config, out, crossed) -> None:
    """Against the mean DSC of a patient over the seeds of CROSSED: one seed may be lucky."""
    own, before = [], {arm: mean_of_seeds(crossed, arm) for arm in ARMS}
    names = [case.name for split in splits for case in split.test]
    for fold, split in enumerate(splits):
        for case in split.test:
            found = np.load(out / f"fold{fold}" / f"{case.name}.npy").astype(np.float32)
            mask = to_canonical(native_mask(ready[case.name], found, config))
            truth = read_mask(case.tumour)
            own.append(score_case(case.name, mask.data > 0, truth.data > 0, truth.grid).dsc)
    line("DSC", crossed_mean([own]))
    for arm in ARMS:
        other = [before[arm][name] for name in names]
        compared = crossed_comparison([own], [other])
        line(arm, crossed_mean([other]))
        line(f"minus {arm}", compared.difference)
        print(f"p {compared.p:.3f}")


def line(name, value) -> None:
    print(f"{name}: {value.mean:+.3f} ({value.low:+.3f} to {value.high:+.3f}), n {value.n}")


if __name__ == "__main__":
    main()
