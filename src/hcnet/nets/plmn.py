"""PLMN (Zhou et al., IEEE TMI 2024 [25], arXiv 2408.05803; its authors call it PLHN).

Two encoders halve the image three times. One ends in transformer blocks over windows, the other
hands its maps to the decoder, which adds them. A voxel's embedding, made from the decoder's last
map, is compared with learned prototypes of tumour and rest; see `hcnet.nets.prototypes`. Three
heads predict: from the decoder, from the similarities, and from embedding, prototypes and
similarities fused, which is the output.

With two channels (post-contrast and subtraction), for which the network was published, it has
11.22 M parameters; with biases before the norms, the authors' 11.23 M. Departures from their code:

- No such biases, which the norms subtract again, and no dropout (10 % of the embedding's channels).
- Attention does not see the padding of windows, which is zeros there.
- The cross-entropy over classes takes cosines divided by a temperature. They take them through a
  layer norm, which leaves of the two cosines of a voxel only which is larger.
- What their prototypes learn from; see `Prototypes.assign`. They leave out voxels that are
  classified wrongly, and draw assignments at random.
"""

from itertools import pairwise
from typing import Annotated, NamedTuple, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.errors import ConfigError
from hcnet.nets.attention import multi_head
from hcnet.nets.blocks import apply_safely, crop_like, doubling, pad_for_encoder
from hcnet.nets.conv3x3x3 import Conv3x3x3
from hcnet.nets.instance_norm import InstanceNorm
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.prototypes import (
    Prototypes,
    contrastive_loss,
    distance_loss,
    rows,
    without_autocast,
)
from hcnet.nets.recipe import Batch, Leg, Recipe

CLASSES = 2
"""The rest and the tumour, as in the labels."""

TEMPERATURE = 0.1
"""Divides the cosines in the cross-entropies over classes and over prototypes."""

PositiveInt = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """Options of `plmn`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[PositiveInt, Field(description="channels at half the resolution")] = 32
    dim: Annotated[PositiveInt, Field(description="channels of the deepest maps")] = 256
    heads: Annotated[PositiveInt, Field(description="of attention; divides dim")] = 8
    blocks: Annotated[PositiveInt, Field(description="transformer blocks")] = 8
    window: Annotated[PositiveInt, Field(description="edge of attention's windows, in 1/8")] = 8
    embedding: Annotated[PositiveInt, Field(description="length of a voxel's embedding")] = 32
    prototypes: Annotated[PositiveInt, Field(description="of each of the two classes")] = 10
    momentum: Annotated[float, Field(ge=0, le=1, description="of the prototypes")] = 0.999

    @field_validator("heads")
    @classmethod
    def _divides_dim(cls, heads: int, info: ValidationInfo) -> int:
        if info.data.get("dim", heads) % heads:
            raise ValueError(f"{heads} heads do not divide dim = {info.data['dim']}")
        return heads


class Heads(NamedTuple):
    """All that the losses need, of the size of the image."""

    fused: Tensor
    """logits (B, 1, x, y, z), the network's output"""
    decoder: Tensor
    """logits (B, 1, x, y, z) without prototypes"""
    prototype: Tensor
    """logits (B, 1, x, y, z) from the similarities alone"""
    embeddings: Tensor
    """(B, embedding, x, y, z) float32, of length one"""
    similarities: Tensor
    """(B, 2 * prototypes, x, y, z) float32, of `Prototypes`"""


class PLMN(nn.Module):
    """Hybrid network guided by prototypes; the output are logits.

    Args:
        in_channels: channels of the image.
        options: sizes.
    """

    def __init__(self, in_channels: int, options: Options) -> None:
        super().__init__()
        width, dim, embedding = options.width, options.dim, options.embedding
        maps = CLASSES * options.prototypes
        self.encoder = _encoder(in_channels, width, 2 * width, dim)
        self.stem = _encoder(in_channels, width, 2 * width, 4 * width)
        self.transformer = WindowTransformer(
            4 * width, dim, options.heads, options.blocks, options.window
        )
        self.decoder = nn.ModuleList(
            [doubling(dim, 2 * width), doubling(2 * width, width), doubling(width, width)]
        )
        self.embed = nn.Sequential(
            Conv3x3x3(width, width, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.Conv3d(width, width, 1, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            nn.Conv3d(width, embedding, 1),
        )
        self.embedding_norm = nn.LayerNorm(embedding)
        self.prototypes = Prototypes(CLASSES, options.prototypes, embedding, options.momentum)
        self.decoder_head = Conv3x3x3(width, 1)
        self.prototype_head = Conv3x3x3(maps, 1)
        self.fusion_head = Conv3x3x3(embedding + maps, 1)

    def forward(self, image: Tensor, heads: bool = False) -> Tensor | Heads:
        """Logits (B, 1, x, y, z) of an image (B, in_channels, x, y, z) of any size.

        Args:
            image: (B, in_channels, x, y, z).
            heads: return all `Heads`, for the losses.
        """
        padded = pad_for_encoder(image)
        features, skips = padded, []
        for stage in self.encoder:
            features = apply_safely(stage, features)
            skips.append(features)
        features = padded
        for stage in self.stem:
            features = apply_safely(stage, features)
        features = self.transformer(features)
        for up in self.decoder:
            features = apply_safely(up, features + skips.pop())

        embeddings = self._embeddings(features)
        similarities = self.prototypes(embeddings)
        around = embeddings + self.prototypes.attend(similarities)
        fused = crop_like(self.fusion_head(torch.cat([around, similarities], dim=1)), image)
        if not heads:
            return fused
        others = (
            self.decoder_head(features),
            self.prototype_head(similarities),
            embeddings,
            similarities,
        )
        return Heads(fused, *(crop_like(each, image) for each in others))

    def _embeddings(self, features: Tensor) -> Tensor:
        embeddings = self.embed(features).float().permute(0, 2, 3, 4, 1)
        with without_autocast(features):
            return F.normalize(self.embedding_norm(embeddings), dim=-1).permute(0, 4, 1, 2, 3)


class WindowTransformer(nn.Module):
    """Pre-norm transformer blocks whose attention stays within windows that do not move.

    The last window of an axis may be incomplete: it is padded and attention masks the padding, so
    the padding's values do not matter.

    Args:
        in_channels: of the map.
        dim: channels of the tokens, one a voxel.
        heads: of attention.
        blocks: number of blocks.
        window: edge of a window, in voxels of the map.
    """

    def __init__(self, in_channels: int, dim: int, heads: int, blocks: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.widen = nn.Linear(in_channels, dim)
        self.blocks = nn.ModuleList(_WindowBlock(dim, heads, window) for _ in range(blocks))

    def forward(self, features: Tensor) -> Tensor:
        """From (B, in_channels, x, y, z) to (B, dim, x, y, z)."""
        batch, _, *sizes = features.shape
        edges = [min(size, self.window) for size in sizes]  # a smaller map is one smaller window
        counts = [-(-size // edge) for size, edge in zip(sizes, edges, strict=True)]
        x, y, z = (n * edge - s for n, edge, s in zip(counts, edges, sizes, strict=True))

        def windows(maps: Tensor) -> Tensor:
            maps = F.pad(maps, (0, z, 0, y, 0, x))
            split = [part for pair in zip(counts, edges, strict=True) for part in pair]
            maps = maps.reshape(batch, -1, *split).permute(0, 2, 4, 6, 3, 5, 7, 1)
            return maps.flatten(4, 6).flatten(0, 3)

        tokens = self.widen(windows(features))
        mask = None
        if x or y or z:
            real = torch.ones_like(features[:, :1], dtype=torch.bool)
            mask = windows(real)[:, None, None, :, 0]  # for all heads and queries
        for block in self.blocks:
            tokens = block(tokens, edges, mask)
        maps = tokens.view(batch, *counts, *edges, -1).permute(0, 1, 4, 2, 5, 3, 6, 7)
        maps = maps.flatten(5, 6).flatten(3, 4).flatten(1, 2)
        return maps[:, : sizes[0], : sizes[1], : sizes[2]].permute(0, 4, 1, 2, 3)


class _WindowBlock(nn.Module):
    """Attention with learned positions in the window, then two layers on each token by itself."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(dim)
        self.position = nn.Parameter(torch.zeros(window**3, dim))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, tokens: Tensor, edges: list[int], mask: Tensor | None) -> Tensor:
        """Tokens (windows, x * y * z, dim); `edges` x, y, z; `mask` is true where one is real."""
        x, y, z = edges
        position = self.position.view(self.window, self.window, self.window, -1)[:x, :y, :z]
        qkv = self.qkv(self.norm(tokens) + position.flatten(0, 2))
        tokens = tokens + self.project(multi_head(qkv, self.heads, mask))
        return tokens + self.mlp(tokens)


def _encoder(*widths: int) -> nn.ModuleList:
    """Stages that halve the map: two convolutions each, the second strided."""
    return nn.ModuleList(
        nn.Sequential(
            Conv3x3x3(before, after, bias=False),
            InstanceNorm(after),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv3d(after, after, 3, stride=2, padding=1, bias=False),
            InstanceNorm(after),
            nn.LeakyReLU(0.2, inplace=True),
        )
        for before, after in pairwise(widths)
    )


def build(in_channels: int, out_channels: int, options: Options) -> PLMN:
    """Build a `PLMN`.

    Raises:
        ConfigError: more than one channel is asked for.
    """
    if out_channels != 1:
        raise ConfigError(f"plmn predicts a mask, so 1 channel and not {out_channels}.")
    return PLMN(in_channels, options)


def prototype_guided_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """The authors' loss; in training mode it also moves the prototypes.

    Each head: BCE + w Dice, where w is 8 (decoder), 1.5 (prototypes) and 1 (fused), and Dice has
    the squared denominator of their code. To these, 0.3 (CE + 0.01 PPC + 0.001 PPD), the terms of
    `hcnet.nets.prototypes`. CE is over all voxels; PPC and PPD are over those that
    `Prototypes.assign` draws, so over both classes alike.

    Args:
        network: a `PLMN`.
        batch: `image` and `tumour`.

    Returns:
        scalars `loss`, and before weighting: `fused`, `decoder`, `prototype`, `ce`, `ppc`, `ppd`.
    """
    heads: Heads = network(batch["image"], heads=True)
    truth = batch["tumour"]
    terms = {
        name: segmentation_loss(logits, truth, lambda_=dice, lambda_on="dice", squared=True)["loss"]
        for name, logits, dice in [
            ("fused", heads.fused, 1.0),
            ("decoder", heads.decoder, 8.0),
            ("prototype", heads.prototype, 1.5),
        ]
    }
    prototypes = cast("Prototypes", network.prototypes)
    labels = truth[:, 0].long()
    classes = prototypes.class_similarities(heads.similarities)
    ce = F.cross_entropy(classes / TEMPERATURE, labels)
    voxels, targets = prototypes.assign(heads.similarities, labels)
    drawn = rows(heads.similarities, voxels)
    ppc = contrastive_loss(drawn, targets, TEMPERATURE)
    ppd = distance_loss(drawn, targets)
    if prototypes.training:  # and not the network's: a wrapper has a mode of its own
        prototypes.update(rows(heads.embeddings, voxels), targets)
    loss = sum(terms.values(), 0.3 * (ce + 0.01 * ppc + 0.001 * ppd))
    return {"loss": loss, **terms, "ce": ce, "ppc": ppc, "ppd": ppd}


RECIPE = Recipe(
    legs=(Leg(loss=prototype_guided_loss),),
    optimiser="adam",
    lr=0.01,
    halve_every=1 / 10,
    note="The authors start from their network trained without prototypes; here all learns at "
    "once. Prototypes keep 0.999 of themselves in an update as theirs, which in a short training "
    "leaves them near where they started: the embeddings come to them.",
)
