"""The cases that a cross-validated arm does worst on: a picture and a table to write beside it.

    python bench/worst_cases.py CROSSED COHORT PICTURE.png [--arm P] [--cases 10]

CROSSED is the folder of `hcnet ablate COHORT --folds N`. Each case is shown in the slice with most
of the lesion: reference in white, held-out prediction in orange.
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from hcnet.cohorts.cohort import read_cohort
from hcnet.files import read_json
from hcnet.prepare.cache import stored_case
from hcnet.studies.ablation.records import RECORD
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical

WHITE, ORANGE = "#ffffff", "#e69f00"
COLUMNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossed", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--arm", default="P")
    parser.add_argument("--cases", type=int, default=10)
    options = parser.parse_args()

    rows = worst(options.crossed, options.arm, options.cases)
    cohort = read_cohort(options.cohort)
    keys = read_json(options.crossed / "cohort.json")
    lines = -(-len(rows) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(2.6 * COLUMNS, 2.9 * lines), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    print("| case | site | lesion ml | CNR | DSC | PPV | SEN |\n|---|---|---|---|---|---|---|")
    for axis, row in zip(axes.flat, rows, strict=False):
        case = cohort[row["name"]]
        kept = f"seed0/fold*/{options.arm}/probabilities/{case.name}.npy"
        fold = next(options.crossed.glob(kept))
        threshold = read_json(fold.parents[1] / RECORD)["threshold"]
        ready = stored_case(case.name, options.crossed / "cache" / keys[case.name])
        found, breast = map(to_canonical, native_prediction(ready, np.load(fold)))
        image, truth = to_canonical(case.pre.load()), to_canonical(case.tumour.load())
        draw(axis, image, truth.data > 0, (found.data >= threshold) & (breast.data > 0))
        axis.set_title(f"{case.name}  DSC {float(row['dsc']):.2f}", fontsize=8)
        cells = [case.name, row["site"], *(f"{float(row[k] or 'nan'):.2f}" for k in
                 ("ml", "cnr", "dsc", "ppv", "sen"))]  # fmt: skip
        print(f"| {' | '.join(cells)} |")
    figure.tight_layout()
    figure.savefig(options.picture, dpi=110)


def worst(crossed: Path, arm: str, count: int) -> list[dict[str, str]]:
    """Rows of `cases.csv` of the first seed, lowest DSC first."""
    with (crossed / "cases.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["arm"] == arm]
    first = min(row["seed"] for row in rows)
    rows = [row for row in rows if row["seed"] == first]
    return sorted(rows, key=lambda row: float(row["dsc"]))[:count]


def draw(axis, image, truth, mask) -> None:
    """The thickest axis's slice with most of the lesion, front to the left, head up."""
    axis_through = int(np.argmax(image.grid.spacing))
    others = tuple(i for i in range(3) if i != axis_through)
    place = int(truth.sum(axis=others).argmax())
    planes = [np.take(array, place, axis_through).T for array in (image.data, truth, mask)]
    spacing = [image.grid.spacing[i] for i in others]
    low, high = np.percentile(planes[0], (1, 99.5))
    axis.imshow(planes[0], cmap="gray", origin="lower", vmin=low, vmax=high,
                aspect=spacing[1] / spacing[0])  # fmt: skip
    for plane, colour in ((planes[1], WHITE), (planes[2], ORANGE)):
        if plane.any():
            axis.contour(plane, levels=[0.5], colors=colour, linewidths=1)


if __name__ == "__main__":
    main()
