"""Prototypes: classes as a few directions each, learned by clustering while a network trains.

After Zhou et al., "Rethinking Semantic Segmentation: A Prototype View", CVPR 2022, as PLMN uses it.
No gradient moves a prototype. The voxels of a class are shared out evenly among its prototypes
(Sinkhorn), and each prototype follows the mean of its share. Everything is float32 whatever the
autocast: bfloat16 holds a cosine near one to two digits.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST_VOXELS = 2**14
"""Voxels of a class that are drawn from a batch."""


class Prototypes(nn.Module):
    """Stored directions of each class.

    Args:
        classes: number of classes.
        count: prototypes of each class.
        dim: length of an embedding.
        momentum: share of its old direction that a prototype keeps in an update.
    """

    vectors: Tensor
    """(classes, count, dim), of length one; saved with the weights, not trained by the optimiser"""

    def __init__(self, classes: int, count: int, dim: int, momentum: float = 0.999) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("vectors", F.normalize(torch.randn(classes, count, dim), dim=-1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Cosine of every voxel with every prototype.

        Args:
            embeddings: (B, dim, x, y, z), of length one.

        Returns:
            (B, classes * count, x, y, z) float32; prototype p of class c is at c * count + p.
        """
        with without_autocast(embeddings):
            return _channels_second(F.linear(_channels_last(embeddings.float()), self._flat()))

    def attend(self, similarities: Tensor) -> Tensor:
        """Mean of all prototypes, weighted by the softmax of their cosines.

        Args:
            similarities: (B, classes * count, x, y, z), of `forward`.

        Returns:
            (B, dim, x, y, z) float32.
        """
        with without_autocast(similarities):
            weights = _channels_last(similarities.float()).softmax(dim=-1)
            return _channels_second(F.linear(weights, self._flat().t()))

    def class_similarities(self, similarities: Tensor) -> Tensor:
        """Cosine with the nearest prototype of each class, (B, classes, x, y, z)."""
        return similarities.unflatten(1, self.vectors.shape[:2]).amax(dim=2)

    @torch.no_grad()
    def assign(self, similarities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Give voxels to the prototypes of their own class, by the label and not by the prediction.

        At most `MOST_VOXELS` of each class are drawn, evenly spaced in the batch. They are a
        function of the labels alone, so that a resumed training goes on as it would have.

        Args:
            similarities: (B, classes * count, x, y, z), of `forward`.
            labels: (B, x, y, z) integers below `classes`; a class may be absent.

        Returns:
            the drawn voxels (n,), as indices into the flattened labels; and the prototype of each
            (n,), as the channel of `similarities`.
        """
        classes, count = self.vectors.shape[:2]
        every = _rows(similarities)
        voxels, targets = [], []
        for label in range(classes):
            own = (labels.flatten() == label).nonzero().flatten()
            drawn = min(len(own), MOST_VOXELS)
            own = own[torch.arange(drawn, device=own.device) * len(own) // max(drawn, 1)]
            shares = sinkhorn(every[own, label * count : (label + 1) * count])
            voxels.append(own)
            targets.append(shares.argmax(dim=1) + label * count)
        return torch.cat(voxels), torch.cat(targets)

    @torch.no_grad()
    def update(self, embeddings: Tensor, targets: Tensor) -> None:
        """Move each prototype towards the mean direction of its voxels; without any it stays.

        Args:
            embeddings: (n, dim), of length one.
            targets: (n,), of `assign`.
        """
        old = self._flat()
        with without_autocast(embeddings):
            # a product, not a scattered sum, whose order and so last digit vary on a GPU
            shares = F.one_hot(targets, len(old)).float()
            means = F.normalize(shares.t() @ embeddings.float(), dim=1)
        moved = F.normalize(self.momentum * old + (1 - self.momentum) * means, dim=1)
        new = torch.where(shares.sum(dim=0).unsqueeze(1) > 0, moved, old)
        # A new tensor, since the backward pass still needs the old one.
        self.vectors = new.view_as(self.vectors)

    def _flat(self) -> Tensor:
        return self.vectors.float().flatten(0, 1)


def sinkhorn(similarities: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Share voxels out among prototypes, by similarity but about equally many to each.

    Args:
        similarities: (voxels, prototypes).
        epsilon: the smaller, the harder the shares.
        iterations: the more, the more equal.

    Returns:
        (voxels, prototypes) float32: shares of each voxel, of sum one.
    """
    # logarithms, so that no similarity over- or underflows
    shares = similarities.float() / epsilon
    for _ in range(iterations):
        shares = shares.log_softmax(dim=0)
        shares = shares.log_softmax(dim=1)
    return shares.exp()


def contrastive_loss(similarities: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Voxel-prototype contrast (PPC): each voxel's own prototype against all others, by softmax.

    Args:
        similarities: (voxels, prototypes).
        targets: (voxels,), the prototype of each; not empty.
        temperature: divides the similarities.

    Returns:
        scalar.
    """
    return F.cross_entropy(similarities.float() / temperature, targets)


def distance_loss(similarities: Tensor, targets: Tensor) -> Tensor:
    """Voxel-prototype distance (PPD): mean of (1 - cosine with the voxel's own prototype)^2.

    Args:
        similarities: (voxels, prototypes).
        targets: (voxels,), the prototype of each; not empty.

    Returns:
        scalar.
    """
    return (1 - similarities.float().gather(1, targets.unsqueeze(1))).square().mean()


def rows(features: Tensor, voxels: Tensor) -> Tensor:
    """Features (n, C) at voxels (n,) of (B, C, x, y, z), which are indices as `assign` returns."""
    return _rows(features)[voxels]


def without_autocast(features: Tensor) -> AbstractContextManager[object]:
    """Context in which the operations on the device of `features` keep their precision."""
    device = features.device.type
    if not torch.amp.is_autocast_available(device):  # the meta device
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _channels_last(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 4, 1)


def _channels_second(features: Tensor) -> Tensor:
    return features.permute(0, 4, 1, 2, 3)


def _rows(features: Tensor) -> Tensor:
    return _channels_last(features).flatten(0, 3)
