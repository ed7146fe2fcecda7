"""How well the classical breast mask holds, condition by condition.

    hcnet phantom COHORT --n 20 --seed 1 --like duke
    python bench/breast_mask.py --cohort COHORT --out OUT [--pictures]

A phantom is measured against its exact breast, any other cohort against its breast masks
(where there are none, the pictures remain). OUT gets
`breast_mask.csv` (a line per case and condition) and, with --pictures, a sheet of outlines for
each condition. The table on the screen is the mean and the worst case of each condition.
"""

import argparse
import csv
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from breast_conditions import CONDITIONS, Scene, applies, behind_the_chest, scenes
from breast_pictures import Picture, Sheet, write_sheets

from hcnet.errors import HcnetError
from hcnet.prepare.breast_mask import breast_mask

NOISE_SEED = 20


@dataclass(frozen=True)
class Row:
    """One case under one condition; shares are 0 to 1, NaN where there is nothing to measure.

    Attributes:
        condition: name of the condition.
        case: name of the case.
        found: whether a mask came back at all.
        dice: overlap with the true breast.
        breast: share of the breast in the mask.
        tumour: share of the tumour in the mask.
        void: share of the implant in the mask.
        air: share of the mask that lies before the body.
        behind: share of the mask that lies behind the chest wall.
        foreign: share of the mask that is arm, hand or wrapped tissue.
        seconds: for the mask.
    """

    condition: str
    case: str
    found: bool
    dice: float = np.nan
    breast: float = np.nan
    tumour: float = np.nan
    void: float = np.nan
    air: float = np.nan
    behind: float = np.nan
    foreign: float = np.nan
    seconds: float = np.nan


def measure(condition: str, case: str, scene: Scene) -> tuple[Row, Picture]:
    """Make the mask of a scene and compare it with the truth."""
    volume = scene.measured(np.random.default_rng(NOISE_SEED))
    start = time.perf_counter()
    try:
        mask = breast_mask(volume)
    except HcnetError:
        nothing = np.zeros(volume.shape, bool)
        return Row(condition, case, False, breast=0.0, dice=0.0, tumour=0.0), Picture(
            case, volume, nothing, scene.breast, scene.tumour
        )
    seconds = time.perf_counter() - start
    air = behind = np.nan
    if scene.labels is not None:
        empty = ~scene.body if scene.foreign is None else ~scene.body & ~scene.foreign
        deep = empty & behind_the_chest(scene.body)
        air, behind = _share(mask, empty & ~deep), _share(mask, deep)
    row = Row(
        condition,
        case,
        True,
        dice=_dice(mask, scene.breast),
        breast=_share(scene.breast, mask),
        tumour=_share(scene.tumour, mask),
        void=np.nan if scene.void is None else _share(scene.void, mask),
        air=air,
        behind=behind,
        foreign=np.nan if scene.foreign is None else _share(mask, scene.foreign),
        seconds=seconds,
    )
    return row, Picture(case, volume, mask, scene.breast, scene.tumour)


def _dice(mask: np.ndarray, reference: np.ndarray) -> float:
    if not reference.any():
        return float("nan")
    return float(2 * (mask & reference).sum() / (mask.sum() + reference.sum()))


def _share(of: np.ndarray, within: np.ndarray) -> float:
    return float((of & within).sum() / of.sum()) if of.any() else float("nan")


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table, one line a condition; worst case after the mean."""
    lines = [
        "| condition | n | found | Dice mean / min | breast mean / min | tumour mean / min "
        "| void min | air | behind | foreign mean / max | s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row.condition for row in rows):
        mine = [row for row in rows if row.condition == name]

        def pair(field: str, worst: str = "min", mine: list[Row] = mine, digits: int = 3) -> str:
            values = np.array([getattr(row, field) for row in mine], float)
            values = values[np.isfinite(values)]
            if not values.size:
                return "-"
            return f"{values.mean():.{digits}f} / {getattr(values, worst)():.{digits}f}"

        cells = [
            name,
            str(len(mine)),
            str(sum(row.found for row in mine)),
            pair("dice"),
            pair("breast"),
            pair("tumour", digits=4),
            pair("void").split(" / ")[-1],
            pair("air").split(" / ")[0],
            pair("behind").split(" / ")[0],
            pair("foreign", "max"),
            pair("seconds", digits=2).split(" / ")[0],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure a cohort under all conditions, or under those asked for."""
    parser = argparse.ArgumentParser(description="Measure the breast mask, condition by condition.")
    parser.add_argument(
        "--cohort", type=Path, required=True, help="phantom or real cohort, or one exam"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for table and pictures")
    parser.add_argument("--condition", action="append", choices=list(CONDITIONS), help="only this")
    parser.add_argument("--pictures", action="store_true", help="sheets of outlines")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.condition or list(CONDITIONS)
    rows: list[Row] = []
    pictures: dict[str, list[Sheet]] = {name: [] for name in names}
    for case, read in scenes(arguments.cohort):
        scene = read()
        for name in names:
            if not applies(CONDITIONS[name], scene):
                continue
            row, picture = measure(name, case, CONDITIONS[name].change(scene))
            rows.append(row)
            if arguments.pictures:
                pictures[name].append(picture.thinned())
        print(f"{case}: done", file=sys.stderr)
    rows.sort(key=lambda row: names.index(row.condition))
    with (arguments.out / "breast_mask.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    print(table(rows))
    if arguments.pictures:
        for path in write_sheets(pictures, arguments.out):
            print(path, file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except HcnetError as error:
        sys.exit(str(error))
