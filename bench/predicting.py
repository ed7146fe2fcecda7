"""What another way of predicting does to the DSC of networks that are trained already.

    python bench/predicting.py CROSSED COHORT [--arms B0,P] [--ways flips,bfloat16]

CROSSED is the folder of `hcnet ablate COHORT --folds N`. Its networks segment their held-out cases
anew, at the fixed threshold of the cross-validation: of every seed that has maps of its own, in the
training's patches as well, so that only the way differs.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.evaluation.overlap import overlap
from hcnet.files import read_json
from hcnet.inference.ensemble import FLIPS, NO_FLIPS, Flip
from hcnet.inference.segment import predict_maps, predict_tumour
from hcnet.nets.registry import build_network
from hcnet.prepare.cache import stored_case
from hcnet.runtime import Precision
from hcnet.studies.ablation.arms import ARMS
from hcnet.studies.ablation.segmenters import build_arm
from hcnet.training.checkpoint import load_model
from hcnet.training.descent import training_device
from hcnet.training.folder import RunFolder, read_run_config
from hcnet.training.loop import MODEL
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical


@dataclass(frozen=True)
class Way:
    """How volumes are predicted."""

    windows: str = "patch"
    flips: tuple[Flip, ...] = NO_FLIPS
    precision: Precision = "32-true"


PLAIN = "patches"
WAYS = {
    PLAIN: Way(),
    "largest": Way(windows="largest"),
    "flips": Way(flips=FLIPS),
    "bfloat16": Way(precision="bf16-mixed"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossed", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--arms", default="B0,P")
    parser.add_argument("--ways", default=",".join(way for way in WAYS if way != PLAIN))
    options = parser.parse_args()
    cohort, keys = read_cohort(options.cohort), read_json(options.crossed / "cohort.json")
    config = read_run_config(options.crossed)
    ways = [PLAIN, *options.ways.split(",")]
    devices = {way: training_device(WAYS[way].precision) for way in ways}
    for name in options.arms.split(","):
        tables: dict[str, list[list[float]]] = {way: [] for way in ways}
        for seed in sorted(options.crossed.glob("seed*")):
            folders = sorted(seed.glob(f"fold*/{name}"))
            if name == "P" and not all(has_hipm(folder) for folder in folders):
                continue  # guided by the maps of another seed
            for table in tables.values():
                table.append([])
            for folder in folders:
                networks = load_networks(name, folder, config)
                for file in sorted((folder / "probabilities").glob("*.npy")):
                    case = stored_case(file.stem, options.crossed / "cache" / keys[file.stem])
                    truth = read_mask(cohort[case.name].tumour).data > 0
                    for way in ways:
                        found = probability(*networks, case, config, WAYS[way], devices[way])
                        score = dsc(case, found.numpy(), config.inference.threshold, truth)
                        tables[way][-1].append(score)
        for way, table in tables.items():
            mean = crossed_mean(table)
            line = f"{name}, {way}: {mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f})"
            if way != PLAIN:
                d = crossed_comparison(table, tables[PLAIN]).difference
                line += f", difference {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})"
            print(f"{line}, n {mean.n}, seeds {len(table)}")


def has_hipm(folder: Path) -> bool:
    return (RunFolder(folder).hipm / "final" / MODEL).is_file()


def load_networks(name: str, folder: Path, config):
    """HIPM, or None for an arm of the image alone, and the arm's own network."""
    arm = next(arm for arm in ARMS if arm.name == name)
    network, hipm = build_arm(arm, config), None
    load_model(folder / "network" / MODEL, network)
    if arm.guide == "predicted":
        stage = config.hipm.network
        hipm = build_network(stage.name, 1, config.kinetics.k + 1, stage.options).eval()
        load_model(RunFolder(folder).hipm / "final" / MODEL, hipm)
    return hipm, network.eval()


def probability(hipm, network, case, config, way: Way, device) -> Tensor:
    """Tumour probability (X, Y, Z), the mean over the way's mirror images."""
    inference = config.inference.model_copy(update={"windows": way.windows})
    image = torch.from_numpy(np.array(case.image))[None]
    found = []
    for axes in way.flips:
        mirror = image.flip([axis + 1 for axis in axes])
        maps = None
        if hipm is not None:  # the maps are those that stage 3 is used to
            maps = predict_maps(hipm, mirror, config.hipm.patch, config.inference, device).half()
        patch, form = config.kis.patch, config.kis.maps
        one = predict_tumour(network, mirror, maps, form, patch, inference, device)
        found.append(one.flip(axes))
    return torch.stack(found).mean(0)


def dsc(case, probability, threshold, truth) -> float:
    """On the exam's own grid, inside the breast."""
    found, breast = map(to_canonical, native_prediction(case, probability))
    return overlap((found.data >= threshold) & (breast.data > 0), truth).dsc


if __name__ == "__main__":
    main()
