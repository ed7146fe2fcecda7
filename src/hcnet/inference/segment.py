"""Segmenting one exam from its pre-contrast volume alone.

Only `case.pre` is ever loaded here; the post-contrast phases of a case may be absent or damaged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from hcnet.cohorts.case import Case
from hcnet.inference.bundle import (
    Bundle,
    BundleInfo,
    StoredNetwork,
    network_without_weights,
)
from hcnet.inference.device import Device
from hcnet.inference.ensemble import FLIPS, NO_FLIPS, Flip, OneBar, chosen_members
from hcnet.inference.input_check import check_input
from hcnet.inference.segmentation import Passes, Segmentation
from hcnet.inference.window_size import OVERLAP, largest_window
from hcnet.inference.windows import map_model, predict, tumour_model, window_count
from hcnet.nets.folding import fold_norms
from hcnet.prepare.prepare import prepare_image
from hcnet.progress import SILENT, Progress
from hcnet.runtime import give_back
from hcnet.settings import InferenceSettings, Patch


def segment(
    case: Case,
    bundle: Bundle,
    device: Device,
    *,
    threshold: float | None = None,
    members: int | None = None,
    tta: bool = False,
    progress: Progress = SILENT,
) -> Segmentation:
    """Segment the tumour of one exam.

    Maps and tumour probability are the mean over all passes: each member of the bundle's ensemble,
    and with `tta` each of four mirror images. The mean is then calibrated. Where one HIPM serves
    all members, it predicts once an image, and its maps are held until the last member.

    Args:
        case: only its pre-contrast phase and, where given, its breast mask are read.
        bundle: the trained networks.
        device: where and in what numbers to compute.
        threshold: tumour probability from which a voxel is tumour, after calibration; None takes
            the bundle's.
        members: how many of the ensemble predict, the first ones; None is all.
        tta: also predict the image mirrored left-right, head-foot and both (test-time
            augmentation); takes four times as long.
        progress: listener.

    Raises:
        InputError, GeometryError: the image or breast mask cannot be used.
        BundleError: the bundle's weights cannot be used.
        ConfigError: the bundle has fewer members.
    """
    count = chosen_members(bundle, members)
    inference = chosen_inference(bundle.info.inference, threshold)
    image = case.pre.load()
    prepared = prepare_image(
        image,
        bundle.info.prepare,
        case.breast.load() if case.breast is not None else None,
        location=case.pre.location,
        breast_location=case.breast.location if case.breast is not None else "",
    )
    tensor = torch.from_numpy(np.ascontiguousarray(prepared.image))[None]
    known = bundle.info.input_statistics
    check = None if known is None else check_input(image, prepared, known)
    passes = Passes(image, prepared, bundle.info.calibration, inference, count)
    _add_passes(passes, tensor, case.name, bundle, inference, device, count, tta, progress)
    return passes.segmentation(check)


def _add_passes(
    passes: Passes,
    tensor: Tensor,
    case: str,
    bundle: Bundle,
    inference: InferenceSettings,
    device: Device,
    count: int,
    tta: bool,
    progress: Progress,
) -> None:
    """Predict a prepared image (1, X, Y, Z) by all members.

    A network is loaded when it is first needed and let go after it was last: HIPM and KIS-Net are
    there together only where there is more than one flip.
    """
    flips = FLIPS if tta else NO_FLIPS
    predictor = _Predictor(bundle.info, inference, device)
    shared = bundle.shares_hipm and count > 1
    bar = None
    if count * len(flips) > 1:
        mapping, segmenting = predictor.windows(tensor)
        each = segmenting * count + mapping * (1 if shared else count)
        bar = OneBar(progress, f"{case}, {count * len(flips)} passes", len(flips) * each)
    listener = bar or progress
    kept: dict[Flip, Tensor] = {}
    for number in range(count):
        hipm = kis = None
        for axes in flips:
            mirror = _mirrored(tensor, axes)
            if axes in kept:
                maps = kept[axes]
            else:
                hipm = hipm or _ready(bundle.hipm(number))
                maps = predictor.maps(hipm, mirror, listener, case)
                if shared:
                    kept[axes] = maps.clone()  # the mean takes over the tensor it is given first
            if axes == flips[-1]:
                hipm = None
            kis = kis or _ready(bundle.kis(number))
            tumour = predictor.tumour(kis, mirror, maps, listener, case)
            passes.add(_mirrored(maps, axes), _mirrored(tumour[None], axes)[0])
        passes.end_member()
    if bar is not None:
        bar.end()


def _without_weights(stored: StoredNetwork) -> nn.Module:
    """A network in the form in which it predicts, to count what it will take."""
    return fold_norms(network_without_weights(stored))


def _ready(network: nn.Module) -> nn.Module:
    """A network as it was loaded, for nothing but predictions."""
    give_back()
    return fold_norms(network)


@dataclass(frozen=True)
class _Predictor:
    """How the networks of a bundle predict."""

    info: BundleInfo
    inference: InferenceSettings
    device: Device

    def maps(self, hipm: nn.Module, image: Tensor, progress: Progress, case: str) -> Tensor:
        """Class probabilities (K+1, X, Y, Z) of (1, X, Y, Z)."""
        patch, name = self.info.hipm.patch, f"map of {case}"
        return predict_maps(hipm, image, patch, self.inference, self.device, progress, name)

    def tumour(
        self, kis: nn.Module, image: Tensor, maps: Tensor, progress: Progress, case: str
    ) -> Tensor:
        """Tumour probability (X, Y, Z) of (1, X, Y, Z) and its maps."""
        return predict_tumour(
            kis,
            image,
            maps,
            self.info.maps,
            self.info.kis.patch,
            self.inference,
            self.device,
            progress,
            f"tumour of {case}",
        )

    def windows(self, image: Tensor) -> tuple[int, int]:
        """How many windows of each network one prediction of an image (1, X, Y, Z) takes."""
        classes = self.info.hipm.out_channels
        mapping, segmenting = (
            window_count(
                image.shape[1:],
                *_window(
                    partial(_without_weights, stored),
                    channels,
                    image,
                    stored.patch,
                    self.inference,
                    self.device,
                ),
            )
            for stored, channels in ((self.info.hipm, [1]), (self.info.kis, [1, classes]))
        )
        return mapping, segmenting


def _mirrored(volume: Tensor, flip: Flip) -> Tensor:
    """A volume (C, X, Y, Z) mirrored, or, a second time, mirrored back."""
    return volume.flip([axis + 1 for axis in flip]) if flip else volume


def chosen_inference(inference: InferenceSettings, threshold: float | None) -> InferenceSettings:
    """A bundle's settings, with the threshold asked for in the place of its own."""
    return inference if threshold is None else inference.model_copy(update={"threshold": threshold})


def predict_maps(
    hipm: nn.Module,
    image: Tensor,
    patch: Patch,
    inference: InferenceSettings,
    device: Device,
    progress: Progress = SILENT,
    name: str = "windows",
) -> Tensor:
    """Class probabilities (K+1, X, Y, Z) of a prepared image (1, X, Y, Z); class 0 is outside."""
    window, overlap = _window(lambda: hipm, [image.shape[0]], image, patch, inference, device)
    model = map_model(hipm.to(device.device))
    return predict(model, [image], window, overlap, device, progress, name)


def predict_tumour(
    kis: nn.Module,
    image: Tensor,
    maps: Tensor | None,
    form: str,
    patch: Patch,
    inference: InferenceSettings,
    device: Device,
    progress: Progress = SILENT,
    name: str = "windows",
) -> Tensor:
    """Tumour probability (X, Y, Z) of a prepared image (1, X, Y, Z).

    Args:
        kis: KIS-Net, or a network of the image alone where `maps` is None.
        image: normalised pre-contrast image.
        maps: class probabilities (K+1, X, Y, Z).
        form: "soft" gives the network the probabilities, "hard" the labels they imply.
        patch: window size of training.
        inference: overlap, size of windows.
        device: where and in what numbers to compute.
        progress: listener; hears of every window.
        name: what it is told of.
    """
    inputs = [image] if maps is None else [image, as_map_input(maps, form)]
    channels = [part.shape[0] for part in inputs]
    window, overlap = _window(lambda: kis, channels, image, patch, inference, device)
    model = tumour_model(kis.to(device.device))
    return predict(model, inputs, window, overlap, device, progress, name)[0]


def _window(
    network: Callable[[], nn.Module],
    channels: list[int],
    image: Tensor,
    patch: Patch,
    inference: InferenceSettings,
    device: Device,
) -> tuple[Patch, float]:
    """Size of the windows of an image (C, X, Y, Z) and what they share with their neighbours.

    The network is asked for only where its memory matters: to fold one without weights, torch
    imports its compiler, 65 MB and two seconds.
    """
    if inference.windows == "patch":
        return patch, inference.overlap
    volume = (image.shape[1], image.shape[2], image.shape[3])
    budget = None if inference.memory_gb is None else int(inference.memory_gb * 2**30)
    window = largest_window(network(), channels, volume, patch, budget, device.device)
    return window, inference.overlap if window == patch else min(OVERLAP, inference.overlap)


def as_map_input(maps: Tensor, form: str) -> Tensor:
    """Class probabilities as they are ("soft") or as one-hot labels ("hard"), class axis -4."""
    if form == "soft":
        return maps.float()
    return torch.zeros_like(maps, dtype=torch.float32).scatter_(
        -4, maps.argmax(-4, keepdim=True), 1.0
    )
