"""Segmenting one bilateral exam, file in to all files out, by both networks.

The reference is what a user writes with MONAI: `sliding_window_inference` over the whole volume,
eager fp32, as torch ships, the same weights, the same files out. Weights are random: they decide
nothing about time. Every execution is a process of its own.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from timing import Row, clock, contender, processes, report

SHAPE = (256, 256, 96)
PATCH = (96, 96, 96)
SPACING = (1.25, 1.25, 1.6)
SMALL = {"dims": (16, 32, 64, 128), "hidden": 128}
CODES = 10
FASTEST, EXACT = 6.0, 3.0


def measure(options: Any) -> list[Row]:
    """Ours in the training's patches and in large windows, at any memory and at 1 GB.

    Where the processor computes in bfloat16, the ways without `float32` do.
    """
    from hcnet.runtime import best_precision

    folder = work_folder(options)
    ways = {"MONAI": ["theirs"]}
    if best_precision("cpu") == "bf16-mixed":
        ways |= {
            "patches, float32": ["ours", "--exact"],
            "largest windows, float32": ["ours", "--largest", "--exact"],
        }
    ways |= {
        "patches": ["ours"],
        "largest windows": ["ours", "--largest"],
        "largest windows, 1 GB": ["ours", "--largest", "--memory", "1"],
    }
    commands = {
        name: contender(__file__, way[0], str(folder), "--name", _slug(name), *way[1:])
        for name, way in ways.items()
    }
    runs = processes(commands, options.rounds)
    return [
        Row(
            work=f"segment {SHAPE}, {options.networks} networks",
            reference="MONAI sliding window, whole volume, eager fp32",
            ours=name,
            reference_runs=runs["MONAI"],
            our_runs=runs[name],
            goal=FASTEST if "largest" in name else EXACT,
            agreement=_agreement(folder, name),
        )
        for name in ways
        if name != "MONAI"
    ]


def work_folder(options: Any) -> Path:
    """The folder with exam, breast mask and bundle; made where it is absent."""
    folder = options.work / f"segment-{options.networks}"
    if not (folder / "bundle" / "bundle.json").is_file():
        _make(folder, uxnet_options(options))
    return folder


def uxnet_options(options: Any) -> dict[str, Any]:
    """Size of HIPM's network."""
    return {} if options.networks == "published" else SMALL


def _make(folder: Path, uxnet: dict[str, Any]) -> None:
    """An exam with two breasts before a chest, its breast mask, and a bundle of random weights."""
    import torch

    from hcnet.inference.bundle import write_bundle
    from hcnet.kinetics.clustering import Clustering, build_model
    from hcnet.kinetics.settings import KineticsConfig
    from hcnet.nets.registry import build_network
    from hcnet.prepare.settings import PrepareConfig
    from hcnet.settings import InferenceSettings
    from hcnet.volumes.nifti import write_nifti
    from hcnet.volumes.volume import Volume

    folder.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*SPACING, 1.0])
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij", sparse=True)
    sides = [((x - c) / 0.42) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2 < 1 for c in (-0.5, 0.5)]
    breast = (sides[0] | sides[1]) & (y > -0.1)
    texture = np.random.default_rng(0).normal(300, 40, SHAPE)
    image = np.where(breast, texture, 20).astype(np.float32)
    write_nifti(Volume(image, affine), folder / "exam.nii.gz")
    write_nifti(Volume(breast.astype(np.uint8), affine), folder / "breast.nii.gz")

    torch.manual_seed(0)
    config = KineticsConfig(k=CODES)
    grid = np.array([0.0, 100.0, 400.0])
    curves = np.random.default_rng(1).uniform(1, 3, (5000, 3)).astype(np.float32)
    model = build_model(config, 3, 0)
    model.started.fill_(True)  # the codebook stays as it was drawn
    clustering = Clustering.fit_order(model, curves, config, grid)
    hipm = build_network("uxnet", 1, CODES + 1, uxnet)
    kis = build_network("kisnet", CODES + 2, 1, {})
    about = {"patch": PATCH}
    write_bundle(
        folder / "bundle",
        hipm=[hipm],
        kis=[kis],
        hipm_network={
            **about, "network": {"name": "uxnet", "options": uxnet}, "out_channels": CODES + 1,
        },
        kis_network={
            **about, "network": {"name": "kisnet"}, "in_channels": CODES + 2, "out_channels": 1,
        },
        clustering=clustering,
        name="bench",
        hcnet_version="0",
        created="",
        licence="",
        training_data={},
        scores={},
        maps="soft",
        prepare=PrepareConfig(spacing_mm=None),
        inference=InferenceSettings(),
    )  # fmt: skip


def _theirs(folder: Path) -> None:
    import nibabel as nib
    import torch
    from monai.inferers import sliding_window_inference
    from plain import plain

    from hcnet.inference.bundle import open_bundle

    hipm, kis = (plain(network) for network in open_bundle(folder / "bundle").member(0))
    started = clock()
    file = nib.load(folder / "exam.nii.gz")
    image = np.asarray(file.dataobj, np.float32)
    breast = np.asarray(nib.load(folder / "breast.nii.gz").dataobj) > 0
    image = (image - image[breast].mean()) / image[breast].std()
    volume = torch.from_numpy(image)[None, None]
    with torch.inference_mode():
        maps = sliding_window_inference(
            volume, PATCH, 1, lambda window: hipm(window).softmax(1), 0.5, "gaussian"
        )
        tumour = sliding_window_inference(
            torch.cat([volume, maps], 1),
            PATCH,
            1,
            lambda window: kis(window[:, :1], window[:, 1:]).sigmoid(),
            0.5,
            "gaussian",
        )
    probability = tumour[0, 0].numpy() * breast
    classes = np.moveaxis(maps[0, 1:].numpy(), 0, -1) * breast[..., None]
    out = folder / "MONAI"
    out.mkdir(exist_ok=True)
    for name, data in (
        ("tumour", (probability >= 0.5).astype(np.uint8)),
        ("tumour_probability", probability.astype(np.float32)),
        ("heterogeneity", ((classes.argmax(-1) + 1) * breast).astype(np.uint8)),
        ("breast", breast.astype(np.uint8)),
        ("pre", image),
        ("class_probabilities", np.round(classes * 255).astype(np.uint8)),
    ):
        nib.save(nib.Nifti1Image(data, file.affine), out / f"{name}.nii.gz")
    report(clock() - started)


def _ours(folder: Path, arguments: argparse.Namespace) -> None:
    import shutil

    from hcnet.cohorts.open import open_case
    from hcnet.inference.bundle import open_bundle
    from hcnet.inference.output import segment_to_folder
    from hcnet.runtime import spare_memory

    spare_memory()  # as the command line does
    out = folder / arguments.name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    bundle = open_bundle(folder / "bundle")
    if arguments.largest:
        changes = {"windows": "largest", "memory_gb": arguments.memory}
        inference = bundle.info.inference.model_copy(update=changes)
        bundle = replace(bundle, info=bundle.info.model_copy(update={"inference": inference}))
    started = clock()
    case = open_case([folder / "exam.nii.gz"], breast=folder / "breast.nii.gz")
    segment_to_folder(case, bundle, out, exact=arguments.exact)
    report(clock() - started)


def _slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-")


def _agreement(folder: Path, name: str) -> str:
    """Largest difference of the tumour probability in the breast, and voxels decided otherwise."""
    import nibabel as nib

    breast = np.asarray(nib.load(folder / "breast.nii.gz").dataobj) > 0
    theirs, found = (
        np.asarray(nib.load(path / "tumour_probability.nii.gz").dataobj)[breast]
        for path in (folder / "MONAI", folder / _slug(name))
    )
    apart = np.abs(theirs - found)
    return f"probability {apart.mean():.0e} apart in the mean, {apart.max():.0e} at most"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("who", choices=("theirs", "ours"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="ours")
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--memory", type=float)
    parser.add_argument("--exact", action="store_true")
    chosen = parser.parse_args(sys.argv[1:])
    if chosen.who == "theirs":
        _theirs(chosen.folder)
    else:
        _ours(chosen.folder, chosen)
