"""Segmenting one exam from its pre-contrast volume alone.

Only `case.pre` is ever loaded here; the post-contrast phases of a case may be absent or damaged.
"""

from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.cohorts.case import Case
from hcnet.inference.bundle import Bundle
from hcnet.inference.decide import tumour_mask
from hcnet.inference.window_size import OVERLAP, largest_window
from hcnet.inference.windows import map_model, predict, tumour_model
from hcnet.nets.folding import fold_norms
from hcnet.prepare.prepare import PreparedImage, prepare_image
from hcnet.progress import SILENT, Progress
from hcnet.settings import InferenceSettings, Patch
from hcnet.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What segmenting gives, all on the input's own grid.

    Attributes:
        image: the pre-contrast volume as read.
        breast: breast mask, uint8.
        tumour: tumour mask, uint8.
        probability: tumour probability, float32, 0 outside the breast.
        heterogeneity: 0 outside the breast, k+1 for code k, codes sorted from least to most
            suspicious, uint8.
        class_probabilities: (X, Y, Z, K) float32, 0 outside the breast; class k at index k.
    """

    image: Volume
    breast: Volume
    tumour: Volume
    probability: Volume
    heterogeneity: Volume
    class_probabilities: NDArray[np.float32]


def segment(
    case: Case,
    bundle: Bundle,
    fabric: Fabric,
    *,
    threshold: float | None = None,
    progress: Progress = SILENT,
) -> Segmentation:
    """Segment the tumour of one exam.

    Args:
        case: only its pre-contrast phase and, where given, its breast mask are read.
        bundle: the trained networks.
        fabric: device and precision.
        threshold: tumour probability from which a voxel is tumour; None takes the bundle's.
        progress: listener.

    Raises:
        InputError, GeometryError: the image or breast mask cannot be used.
        BundleError: the bundle's weights cannot be used.
    """
    hipm, kis = (fold_norms(network) for network in bundle.networks())
    info = bundle.info
    inference = chosen_inference(info.inference, threshold)
    image = case.pre.load()
    breast = case.breast.load() if case.breast is not None else None
    prepared = prepare_image(
        image,
        info.prepare,
        breast,
        location=case.pre.location,
        breast_location=case.breast.location if case.breast is not None else "",
    )
    tensor = torch.from_numpy(np.ascontiguousarray(prepared.image))[None]

    maps = predict_maps(
        hipm, tensor, info.hipm.patch, inference, fabric, progress, f"map of {case.name}"
    )
    tumour = predict_tumour(
        kis,
        tensor,
        maps,
        info.maps,
        info.kis.patch,
        inference,
        fabric,
        progress,
        f"tumour of {case.name}",
    )
    return on_native_grid(image, prepared, tumour, maps, inference)


def chosen_inference(inference: InferenceSettings, threshold: float | None) -> InferenceSettings:
    """A bundle's settings, with the threshold asked for in the place of its own."""
    return inference if threshold is None else inference.model_copy(update={"threshold": threshold})


def predict_maps(
    hipm: nn.Module,
    image: Tensor,
    patch: Patch,
    inference: InferenceSettings,
    fabric: Fabric,
    progress: Progress = SILENT,
    name: str = "windows",
) -> Tensor:
    """Class probabilities (K+1, X, Y, Z) of a prepared image (1, X, Y, Z); class 0 is outside."""
    window, overlap = _window(hipm, [image.shape[0]], image, patch, inference, fabric)
    return predict(
        map_model(fabric.to_device(hipm)), image, window, overlap, fabric, progress, name
    )


def predict_tumour(
    kis: nn.Module,
    image: Tensor,
    maps: Tensor | None,
    form: str,
    patch: Patch,
    inference: InferenceSettings,
    fabric: Fabric,
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
        fabric: device and precision.
        progress: listener; hears of every window.
        name: what it is told of.
    """
    guide = [] if maps is None else [as_map_input(maps, form)]
    channels = [part.shape[0] for part in (image, *guide)]
    window, overlap = _window(kis, channels, image, patch, inference, fabric)
    inputs = torch.cat([image, *guide]) if guide else image
    model = tumour_model(fabric.to_device(kis))
    return predict(model, inputs, window, overlap, fabric, progress, name)[0]


def _window(
    network: nn.Module,
    channels: list[int],
    image: Tensor,
    patch: Patch,
    inference: InferenceSettings,
    fabric: Fabric,
) -> tuple[Patch, float]:
    """Size of the windows of an image (C, X, Y, Z) and what they share with their neighbours."""
    if inference.windows == "patch":
        return patch, inference.overlap
    volume = (image.shape[1], image.shape[2], image.shape[3])
    budget = None if inference.memory_gb is None else int(inference.memory_gb * 2**30)
    window = largest_window(network, channels, volume, patch, budget, fabric.device)
    return window, inference.overlap if window == patch else min(OVERLAP, inference.overlap)


def as_map_input(maps: Tensor, form: str) -> Tensor:
    """Class probabilities as they are ("soft") or as one-hot labels ("hard"), class axis -4."""
    if form == "soft":
        return maps.float()
    return torch.zeros_like(maps, dtype=torch.float32).scatter_(
        -4, maps.argmax(-4, keepdim=True), 1.0
    )


def on_native_grid(
    image: Volume,
    prepared: PreparedImage,
    tumour: Tensor,
    maps: Tensor,
    inference: InferenceSettings,
) -> Segmentation:
    """Lay predictions on the prepared grid back onto the input's own.

    Probabilities are resampled, labels decided after that, so that outlines are as fine as the
    input's grid allows. Outside the breast mask everything is 0.
    """
    breast = prepared.native_breast
    probability = prepared.to_native(tumour.numpy(), "linear").data * breast
    classes = np.empty((*image.shape, maps.shape[0] - 1), np.float32)
    for k in range(maps.shape[0] - 1):
        classes[..., k] = prepared.to_native(maps[k + 1].numpy(), "linear").data * breast
    labels = np.where(breast, classes.argmax(-1) + 1, 0).astype(np.uint8)
    return Segmentation(
        image=image,
        breast=image.with_data(breast.astype(np.uint8)),
        tumour=image.with_data(tumour_mask(probability, breast, image.grid, inference)),
        probability=image.with_data(probability.astype(np.float32)),
        heterogeneity=image.with_data(labels),
        class_probabilities=classes,
    )
