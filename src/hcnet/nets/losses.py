"""Losses of the method (paper Eq. 2 to 5) and of the networks it is compared with, on logits.

All are computed in float32 whatever the autocast.

Two choices hold for all of them:

- Dice sums run over the voxels of the whole batch, as Eq. (3) sums over all voxels without telling
  samples apart. A patch without tumour then adds false positives to the sums of its neighbours
  instead of a term of its own that is one whatever the network does.
- A smooth term of one voxel stands in numerator and denominator. It decides only where both truth
  and prediction are nearly empty, and makes an empty pair a perfect one.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

SMOOTH = 1.0
"""Voxels; the group's own code has the same."""


def dice_loss(
    probabilities: Tensor, truth: Tensor, *, squared: bool = False, smooth: float = SMOOTH
) -> Tensor:
    """Dice loss of each channel, Eq. (3), over all voxels of the batch.

    1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth).

    Args:
        probabilities: (B, C, x, y, z), between 0 and 1.
        truth: same shape, 0 or 1.
        squared: square both sums' terms in the denominator, as the group's public code (and
            V-Net [12]) does; Eq. (3) does not.
        smooth: voxels added above and below.

    Returns:
        (C,).

    Raises:
        ValueError: the shapes differ.
    """
    if probabilities.shape != truth.shape:
        raise ValueError(f"shapes differ: {tuple(probabilities.shape)}, {tuple(truth.shape)}")
    truth = truth.to(probabilities.dtype)
    voxels = (0, 2, 3, 4)
    overlap = (probabilities * truth).sum(voxels)
    if squared:
        total = probabilities.square().sum(voxels) + truth.square().sum(voxels)
    else:
        total = probabilities.sum(voxels) + truth.sum(voxels)
    return 1 - (2 * overlap + smooth) / (total + smooth)


def segmentation_loss(
    logits: Tensor,
    truth: Tensor,
    *,
    lambda_: float = 5.0,
    lambda_on: Literal["bce", "dice"] = "bce",
    squared: bool = False,
) -> dict[str, Tensor]:
    """Loss of stage 3, Eq. (5): Dice + lambda x binary cross-entropy.

    Args:
        logits: (B, 1, x, y, z).
        truth: same shape, 0 or 1.
        lambda_: weight of one of the two terms.
        lambda_on: which; Eq. (5) weights the cross-entropy, the group's public code the Dice.
        squared: see `dice_loss`.

    Returns:
        scalars `loss`, `dice` and `bce`, the terms before weighting.

    Raises:
        ValueError: the shapes differ.
    """
    logits = _at_least_float32(logits)
    dice = dice_loss(logits.sigmoid(), truth, squared=squared).mean()
    bce = F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype))
    loss = dice + lambda_ * bce if lambda_on == "bce" else lambda_ * dice + bce
    return {"loss": loss, "dice": dice, "bce": bce}


def heterogeneity_loss(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor,
    *,
    form: Literal["softmax", "eq4"] = "softmax",
    squared: bool = False,
) -> dict[str, Tensor]:
    """Loss of stage 2, Eq. (2): Dice + weighted cross-entropy over exclusive classes.

    Dice is the mean over the classes that the batch's truth holds; a class that is absent would
    add a constant one. Probability given to an absent class still costs, since softmax takes it
    from the right one.

    Cross-entropy comes in two forms, both with softmax probabilities and both weighting a voxel by
    its true class:

    - `softmax` (default): -w log(p of the true class), the usual form for exclusive classes.
    - `eq4`: Eq. (4) as written, a binary cross-entropy that is summed over the classes, one
      against the rest.

    Either is divided by the sum of the voxels' weights. The bare sum of Eq. (4) would grow with
    the patch, and the mean over voxels would vanish beside the Dice, as frequent classes have
    small weights.

    Args:
        logits: (B, K + 1, x, y, z).
        labels: (B, 1, x, y, z) integers, 0 = outside the breast, k + 1 = code k.
        class_weights: (K + 1,), see `inverse_frequency_weights`.
        form: of the cross-entropy.
        squared: see `dice_loss`.

    Returns:
        scalars `loss`, `dice` and `wce`.

    Raises:
        ValueError: shapes that do not fit together.
    """
    if labels.shape != (logits.shape[0], 1, *logits.shape[2:]):
        raise ValueError(f"labels {tuple(labels.shape)} do not fit logits {tuple(logits.shape)}")
    if class_weights.shape != logits.shape[1:2]:
        raise ValueError(f"{logits.shape[1]} classes have {tuple(class_weights.shape)} weights")
    logits = _at_least_float32(logits)
    labels = labels.long()
    log_p = logits.log_softmax(dim=1)
    truth = torch.zeros_like(log_p).scatter_(1, labels, 1.0)

    present = truth.sum((0, 2, 3, 4)) > 0
    dice = dice_loss(log_p.exp(), truth, squared=squared)[present].mean()

    weights = class_weights.to(log_p)[labels]
    cost = -log_p.gather(1, labels)
    if form == "eq4":
        cost = cost - ((1 - truth) * _log_of_rest(logits, log_p)).sum(dim=1, keepdim=True)
    # All voxels weigh nothing only where training has never seen any of their classes.
    wce = (weights * cost).sum() / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    return {"loss": dice + wce, "dice": dice, "wce": wce}


def inverse_frequency_weights(frequencies: Tensor, largest_ratio: float = 1000.0) -> Tensor:
    """Class weights of Eq. (4): inverse to the class frequency, with mean one.

    Args:
        frequencies: (classes,) shares or counts in the training maps, not negative.
        largest_ratio: no weight exceeds this multiple of the smallest, so that a class of a
            handful of voxels does not own the gradient of every patch it appears in.

    Returns:
        (classes,) float32 of mean one over the classes that occur; the others have weight zero.

    Raises:
        ValueError: a negative frequency, or all are zero.
    """
    present = frequencies > 0
    if bool((frequencies < 0).any()) or not bool(present.any()):
        raise ValueError(f"not class frequencies: {frequencies.tolist()}")
    shares = frequencies.to(torch.float64)
    weights = torch.where(present, 1 / shares.clamp_min(float(shares.max()) / largest_ratio), 0.0)
    return (weights / weights[present].mean()).float()


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _log_of_rest(logits: Tensor, log_p: Tensor) -> Tensor:
    """log(1 - p) of softmax probabilities, finite and with a gradient even where p rounds to one.

    Only the largest of the classes can come near one; for it the probabilities of the others are
    summed, for the others 1 - p is at least a half and safe.
    """
    top = logits.argmax(dim=1, keepdim=True)
    others = logits.scatter(1, top, -torch.inf)
    rest_of_top = others.logsumexp(dim=1, keepdim=True) - logits.logsumexp(dim=1, keepdim=True)
    return torch.log1p(-log_p.exp().scatter(1, top, 0.0)).scatter(1, top, rest_of_top)
