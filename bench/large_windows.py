"""What windows as large as memory allows do to the DSC, in place of those of the training.

    python bench/large_windows.py CROSSED COHORT [--arms B0,P]

CROSSED is the folder of `hcnet ablate COHORT --folds N`. Its networks segment their held-out cases
once more with `inference.windows = "largest"`, at the fixed threshold of the cross-validation.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from hcnet.cohorts.cohort import read_cohort
from hcnet.evaluation.evaluate import read_mask
from hcnet.evaluation.hierarchical import crossed_comparison
from hcnet.evaluation.overlap import overlap
from hcnet.files import read_json
from hcnet.inference.segment import predict_tumour
from hcnet.prepare.cache import stored_case
from hcnet.runtime import make_fabric
from hcnet.studies.ablation.arms import ARMS
from hcnet.studies.ablation.segmenters import build_arm
from hcnet.training.checkpoint import load_model
from hcnet.training.folder import RunFolder, read_run_config
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossed", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--arms", default="B0,P")
    options = parser.parse_args()
    cohort, keys = read_cohort(options.cohort), read_json(options.crossed / "cohort.json")
    config = read_run_config(options.crossed)
    large = config.inference.model_copy(update={"windows": "largest"})
    fabric = make_fabric("32-true")
    for name in options.arms.split(","):
        arm = next(arm for arm in ARMS if arm.name == name)
        before, after = [], []
        for fold in sorted(options.crossed.glob("seed0/fold*")):
            threshold = config.inference.threshold
            network = build_arm(arm, config)
            load_model(fold / name / "network" / "model.safetensors", network)
            for file in sorted((fold / name / "probabilities").glob("*.npy")):
                case = stored_case(file.stem, options.crossed / "cache" / keys[file.stem])
                image = torch.from_numpy(np.array(case.image))[None]
                maps = None
                if arm.guide == "predicted":
                    path = RunFolder(fold / name).maps(case.name)
                    maps = torch.from_numpy(np.load(path)).float()
                found = predict_tumour(
                    network.eval(), image, maps, config.kis.maps, config.kis.patch, large, fabric
                )
                truth = read_mask(cohort[case.name].tumour).data > 0
                before.append(dsc(case, np.load(file), threshold, truth))
                after.append(dsc(case, found.numpy(), threshold, truth))
        d = crossed_comparison([after], [before]).difference
        print(
            f"{name}: {np.mean(before):.3f} by patches, {np.mean(after):.3f} by largest windows, "
            f"difference {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f}), n {d.n}"
        )


def dsc(case, probability, threshold, truth) -> float:
    """On the exam's own grid, inside the breast."""
    found, breast = map(to_canonical, native_prediction(case, probability))
    return overlap((found.data >= threshold) & (breast.data > 0), truth).dsc


if __name__ == "__main__":
    main()
