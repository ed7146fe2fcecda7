"""Data loading during training, against MONAI's CacheDataset with the same transforms.

First what a batch costs: CPU seconds in one thread, as on two cores whatever a loader computes is
taken from the training step, whoever computes it. Then real training steps: how long each waits
for its batch, and how much slower it is than a step on a batch that is there already.

    python bench/speed/run.py load
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import Row, Run, clock, contender, processes, report

CASES = 3
BATCH = 2
LESION_SHARE = 2 / 3


@dataclass(frozen=True)
class Kind:
    """Patches of a preset.

    Attributes:
        patch: size in voxels.
        spacing_mm: of the prepared grid; where all axes share it, patches turn about all of them.
        classes: channels of the maps.
        batches: of a measurement of what they cost.
        steps: of a measurement of training.
    """

    patch: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    classes: int
    batches: int
    steps: int


KINDS = {
    "paper": Kind((48, 128, 128), (1.0, 1.0, 1.0), 11, batches=10, steps=4),
    "small": Kind((48, 48, 48), (1.6, 1.6, 1.6), 11, batches=40, steps=16),
    "ispy1": Kind((16, 80, 80), (2.0, 1.6, 1.6), 7, batches=40, steps=16),
}
WORKERS = {"ours": "0", "monai": "1"}
"""With which each makes the fastest training steps on two cores."""


def measure(options: Any) -> list[Row]:
    """Rows of CPU seconds a batch and of seconds a training step."""
    rows: list[Row] = []
    for name, kind in KINDS.items():
        folder = options.work / f"load-{name}"
        _cohort(kind, options.work, folder)
        size = "x".join(map(str, kind.patch))
        for maps in (False, True):
            what = f"{BATCH} patches {size}" + (f", {kind.classes} map channels" if maps else "")
            network = "KIS-Net" if maps else "ResUNet"
            for job, work, goal in (
                ("cost", f"{what}: CPU time", 3.0),
                ("train", f"training step, {network} 16, {what}", 1.0),
            ):
                runs = processes(
                    {
                        who: contender(
                            __file__, job, who, name, str(folder), str(int(maps)), WORKERS[who]
                        )
                        for who in ("monai", "ours")
                    },
                    options.rounds,
                    environment={"OMP_NUM_THREADS": "1"} if job == "cost" else {},
                )
                note = ""
                if job == "train":
                    note = "; ".join(f"{who}: {_told(runs[who])}" for who in ("ours", "monai"))
                rows.append(
                    Row(work, "MONAI CacheDataset", "hcnet", runs["monai"], runs["ours"], goal,
                        note=note, facts=asdict(kind))
                )  # fmt: skip
    return rows


def _told(runs: list[Run]) -> str:
    """Medians over some trainings, in words."""
    waits = statistics.median(run.answer["waited"] / run.seconds for run in runs)
    slower = statistics.median(run.seconds / run.answer["fixed"] for run in runs)
    return f"waits {waits:.1%}, {slower:.2f}x a step on a batch that is there"


def _cohort(kind: Kind, work: Path, folder: Path) -> None:
    """Prepared phantoms with soft maps of random blobs; `sources.json` lists their files."""
    from hcnet.cohorts.cohort import read_cohort
    from hcnet.cohorts.phantom import PhantomSettings, write_phantom_cohort
    from hcnet.prepare.cache import prepared_cases
    from hcnet.prepare.settings import PrepareConfig

    if (folder / "sources.json").exists():
        return
    write_phantom_cohort(work / "load-cohort", CASES, 0, PhantomSettings(size="full"))
    cases = read_cohort(work / "load-cohort").cases
    settings = PrepareConfig(spacing_mm=kind.spacing_mm)
    sources = []
    for number, case in enumerate(prepared_cases(cases, settings, folder)):
        maps = folder / f"maps{number}.npy"
        np.save(maps, _soft_maps(kind.classes, case.image.shape, number))
        files = {key: str(case.files[key]) for key in ("image", "breast", "tumour")}
        sources.append(files | {"maps": str(maps)})
    (folder / "sources.json").write_text(json.dumps(sources), encoding="utf-8")


def _soft_maps(classes: int, shape: tuple[int, ...], seed: int) -> NDArray[np.float16]:
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).normal(size=(classes, *shape)).astype(np.float32)
    logits = 60 * gaussian_filter(noise, (0, 3, 3, 3))
    odds = np.exp(logits - logits.max(0))
    shares: NDArray[np.float16] = (odds / odds.sum(0)).astype(np.float16)
    return shares


def _ours(kind: Kind, files: list[dict[str, str]], keys: tuple[str, ...], seed: int, workers: int,
          batches: int) -> Iterator[dict[str, Any]]:  # fmt: skip
    from hcnet.settings import AugmentSettings
    from hcnet.training.augment import Augment
    from hcnet.training.patches import Patches, PatchSource, patch_batches

    sources = [
        PatchSource(str(n), {key: Path(case[key]) for key in (*keys, "breast")},
                    Path(case["tumour"]))
        for n, case in enumerate(files)
    ]  # fmt: skip
    augment = Augment(AugmentSettings(), kind.spacing_mm)
    patches = Patches(sources, kind.patch, LESION_SHARE, augment, seed)
    return patch_batches(patches, BATCH, 0, batches, workers)


def _monai(kind: Kind, files: list[dict[str, str]], keys: tuple[str, ...], seed: int, workers: int,
           batches: int) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Volumes and the voxels to centre on are cached; cropping and augmentation are drawn anew."""
    import monai
    import torch
    from monai import transforms as mt
    from monai.data import CacheDataset, DataLoader

    from hcnet.settings import AugmentSettings

    monai.data.set_track_meta(False)  # the faster way
    monai.utils.set_determinism(seed)
    chances = AugmentSettings()
    angle = float(np.deg2rad(chances.rotate_degrees))
    alike = [len({s for i, s in enumerate(kind.spacing_mm) if i != axis}) == 1 for axis in range(3)]
    every = (*keys, "breast")
    steps = [
        mt.LoadImaged(every, reader="NumpyReader", image_only=True),
        mt.EnsureChannelFirstd([key for key in every if key != "maps"], channel_dim="no_channel"),
        mt.SpatialPadd(every, kind.patch, mode="edge"),
        mt.CastToTyped(["tumour", "breast"], torch.uint8),
        mt.FgBgToIndicesd("tumour", image_key="breast"),
        mt.SelectItemsd([*keys, "tumour_fg_indices", "tumour_bg_indices"]),
        mt.RandCropByPosNegLabeld(
            keys, "tumour", kind.patch, pos=LESION_SHARE, neg=1 - LESION_SHARE, num_samples=1,
            fg_indices_key="tumour_fg_indices", bg_indices_key="tumour_bg_indices",
        ),
        mt.SelectItemsd(keys),
        mt.RandFlipd(keys, prob=chances.flip, spatial_axis=0),
        mt.RandFlipd(keys, prob=chances.flip, spatial_axis=2),
        mt.RandRotated(
            keys, *(angle if possible else 0.0 for possible in alike), prob=chances.rotate,
            mode=["nearest" if key == "tumour" else "bilinear" for key in keys],
            padding_mode="border",
        ),
        mt.RandScaleIntensityd("image", factors=0.2, prob=chances.intensity),
        mt.RandShiftIntensityd("image", offsets=0.2, prob=chances.intensity),
        mt.RandAdjustContrastd("image", gamma=(0.7, 1.4), prob=chances.gamma),
        mt.RandBiasFieldd("image", degree=2, coeff_range=(0.0, 0.15), prob=chances.bias_field),
        mt.RandGaussianNoised("image", std=0.1, prob=chances.noise),
    ]  # fmt: skip
    # As many passes over the cases as it takes: else each epoch of three cases starts workers anew.
    passes = -(-batches * BATCH // len(files))
    dataset = CacheDataset(files * passes, mt.Compose(steps), hash_as_key=True, progress=False)
    return iter(DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers))


LOADERS = {"ours": _ours, "monai": _monai}


def _cost(loader: str, kind: Kind, files: list[dict[str, str]], keys: tuple[str, ...]) -> None:
    """Report the CPU seconds of a batch, in this process and one thread."""
    from hcnet.runtime import tune_allocator

    tune_allocator()  # as training does; to the benefit of both
    batches = iter(LOADERS[loader](kind, files, keys, 1, 0, kind.batches + 3))
    for _ in range(3):  # opens files, finds lesions, fills the allocator
        next(batches)
    started = time.process_time()
    for _ in range(kind.batches):
        next(batches)
    report((time.process_time() - started) / kind.batches)


def _train(loader: str, kind: Kind, files: list[dict[str, str]], keys: tuple[str, ...],
           workers: int) -> None:  # fmt: skip
    """Report the seconds of a training step, those it waits, and those on one fixed batch."""
    import torch

    from hcnet.nets.blocks import channels_last
    from hcnet.nets.losses import segmentation_loss
    from hcnet.nets.registry import build_network
    from hcnet.training.descent import Descent, training_device

    device = training_device("32-true")
    torch.manual_seed(0)
    batches = LOADERS[loader](kind, files, keys, 1, workers, kind.steps + 2)
    fixed = next(batches)
    maps = "maps" in keys
    network = build_network(
        "kisnet" if maps else "resunet", 1 + maps * kind.classes, 1, {"width": 16}
    )
    model = channels_last(network).train()
    descent = Descent(model, torch.optim.Adam(model.parameters(), 1e-3), device)

    def step(batch: Mapping[str, Any]) -> None:
        image = batch["image"].contiguous(memory_format=torch.channels_last_3d)
        logits = descent.model(image, *([batch["maps"]] if maps else []))
        loss = segmentation_loss(logits, batch["tumour"])["loss"]
        descent.step(loss, max_norm=12.0)

    step(fixed)
    step(next(batches))
    waited = loaded = alone = 0.0
    for _ in range(kind.steps):
        started = clock()
        batch = next(batches)
        waited += clock() - started
        step(batch)
        loaded += clock() - started
    # Workers have nothing left to do by now.
    for _ in range(max(kind.steps // 2, 2)):
        started = clock()
        step(fixed)
        alone += clock() - started
    count = kind.steps
    report(loaded / count, waited=waited / count, fixed=alone / max(count // 2, 2))


def main() -> None:
    """A contender: cost|train LOADER KIND FOLDER MAPS WORKERS."""
    job, loader, name, folder, maps, workers = sys.argv[1:]
    files = json.loads((Path(folder) / "sources.json").read_text(encoding="utf-8"))
    keys = ("image", "tumour", "maps") if int(maps) else ("image", "tumour")
    kept = [{key: case[key] for key in (*keys, "breast")} for case in files]
    if job == "cost":
        _cost(loader, KINDS[name], kept, keys)
    else:
        _train(loader, KINDS[name], kept, keys, int(workers))


if __name__ == "__main__":
    main()
