"""Each seed of a cross-validation, the mean of their predictions, and one run against another.

    python bench/seeds.py COHORT CROSSED
    python bench/seeds.py COHORT CROSSED --against OTHER --arms P,B0

The first prints, for B0 and P, the mean DSC of each seed and that of the mean of all seeds'
probabilities at the fixed threshold, with their differences. The second subtracts an arm of
CROSSED, the mean of each patient over all seeds, from the first seed of an arm of OTHER, a run with
other settings on the same folds.
"""

import argparse
from pathlib import Path

import numpy as np

from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.files import read_json
from hcnet.prepare.cache import stored_case
from hcnet.studies.ablation.out_of_fold import arm_folders, out_of_fold
from hcnet.studies.ablation.records import read_record
from hcnet.studies.truth import references
from hcnet.training.folder import read_run_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("crossed", type=Path)
    parser.add_argument("--against", type=Path, metavar="OTHER")
    parser.add_argument("--arms", default="P,P", help="of OTHER and of CROSSED")
    options = parser.parse_args()
    if options.against is None:
        tell_seeds(options.cohort, options.crossed)
        return
    first, second = options.arms.split(",")
    new, old = of_seed(options.against, 0, first), mean_of_seeds(options.crossed, second)
    result = crossed_comparison([list(new.values())], [[old[name] for name in new]])
    print(f"{first} {told(crossed_mean([list(new.values())]))}")
    print(f"minus {second}: {told(result.difference)}, p {result.p:.3f}")


def tell_seeds(folder: Path, crossed: Path) -> None:
    seeds = len(list(crossed.glob("seed*")))
    cohort, keys = read_cohort(folder, "functional"), read_json(crossed / "cohort.json")
    cases = [stored_case(name, crossed / "cache" / key) for name, key in keys.items()]
    truths = references(cohort.root, cohort.cases)
    threshold = read_run_config(crossed).inference.threshold
    means = {}
    for arm in ("B0", "P"):
        alone = [np.mean(list(of_seed(crossed, seed, arm).values())) for seed in range(seeds)]
        found = out_of_fold(cases, truths, *arm_folders(crossed, seeds, arm))
        means[arm] = found.dsc(threshold)
        single = mean_of_seeds(crossed, arm)
        gain = crossed_comparison([means[arm]], [[single[case.name] for case in cases]])
        each = ", ".join(f"{value:.3f}" for value in alone)
        print(f"{arm}: {each}; mean of the predictions {told(crossed_mean([means[arm]]))}")
        print(f"  minus a single seed: {told(gain.difference)}, p {gain.p:.4f}")
    result = crossed_comparison([means["P"]], [means["B0"]])
    print(f"mean of the predictions, P minus B0: {told(result.difference)}, p {result.p:.3f}")


def of_seed(crossed: Path, seed: int, arm: str) -> dict[str, float]:
    """DSC of every held-out case."""
    records = [read_record(path) for path in sorted(crossed.glob(f"seed{seed}/fold*/{arm}"))]
    return {row.scores.name: row.scores.dsc for record in records for row in record.rows}


def mean_of_seeds(crossed: Path, arm: str) -> dict[str, float]:
    """DSC of every held-out case, the mean over all seeds that have the arm."""
    seeds = [of_seed(crossed, seed, arm) for seed in range(len(list(crossed.glob("seed*"))))]
    rows = [seed for seed in seeds if seed]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def told(value) -> str:
    return f"{value.mean:.3f} ({value.low:.3f} to {value.high:.3f}), n {value.n}"


if __name__ == "__main__":
    main()
