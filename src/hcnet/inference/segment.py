"""Segmenting one exam from its pre-contrast volume alone.

Only `case.pre` is ever loaded here; the post-contrast phases of a case may be absent or damaged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from hcnet.cohorts.case import Case
from hcnet.inference.bundle import Bundle
from hcnet.inference.windows import map_model, predict, tumour_model
from hcnet.prepare.prepare import PreparedImage, prepare_image
from hcnet.progress import SILENT, Progress
from hcnet.settings import InferenceSettings, Patch
from hcnet.volumes.components import remove_small
from hcnet.volumes.volume import Grid, Volume


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
    hipm, kis = bundle.networks()
    info = bundle.info
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

    steps = iter(progress.track(("map", "tumour", "native grid"), f"segmenting {case.name}", 3))
    next(steps)
    maps = predict_maps(hipm, tensor, info.hipm.patch, info.inference, fabric)
    next(steps)
    tumour = predict_tumour(kis, tensor, maps, info.maps, info.kis.patch, info.inference, fabric)
    next(steps)
    inference = info.inference
    if threshold is not None:
        inference = inference.model_copy(update={"threshold": threshold})
    result = on_native_grid(image, prepared, tumour, maps, inference)
    next(steps, None)
    return result


def predict_maps(
    hipm: nn.Module, image: Tensor, patch: Patch, inference: InferenceSettings, fabric: Fabric
) -> Tensor:
    """Class probabilities (K+1, X, Y, Z) of a prepared image (1, X, Y, Z); class 0 is outside."""
    return predict(map_model(fabric.to_device(hipm)), image, patch, inference.overlap, fabric)


def predict_tumour(
    kis: nn.Module,
    image: Tensor,
    maps: Tensor | None,
    form: str,
    patch: Patch,
    inference: InferenceSettings,
    fabric: Fabric,
) -> Tensor:
    """Tumour probability (X, Y, Z) of a prepared image (1, X, Y, Z).

    Args:
        kis: KIS-Net, or a network of the image alone where `maps` is None.
        image: normalised pre-contrast image.
        maps: class probabilities (K+1, X, Y, Z).
        form: "soft" gives the network the probabilities, "hard" the labels they imply.
        patch: window size.
        inference: overlap.
        fabric: device and precision.
    """
    inputs = image if maps is None else torch.cat([image, as_map_input(maps, form)])
    model = tumour_model(fabric.to_device(kis))
    return predict(model, inputs, patch, inference.overlap, fabric)[0]


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


def tumour_mask(
    probability: NDArray[Any], breast: NDArray[Any], grid: Grid, inference: InferenceSettings
) -> NDArray[np.uint8]:
    """Decide the tumour mask from probabilities: threshold, breast only, small foci left out."""
    found = (probability >= inference.threshold) & (np.asarray(breast) > 0)
    return remove_small(found, grid, inference.smallest_component_ml).astype(np.uint8)
