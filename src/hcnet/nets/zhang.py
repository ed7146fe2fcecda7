"""The spatial-temporal network of Zhang et al., Patterns 2023 (10.1016/j.patter.2023.100826) [7].

It reads a DCE-MRI series of any number of phases, of which some may be missing: one ResUNet encoder
for all phases, and on its deepest maps one transformer along space and one along time. The full
size has 175.6 M parameters.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from hcnet.errors import ConfigError
from hcnet.nets.attention import multi_head
from hcnet.nets.blocks import (
    apply_safely,
    conv_norm_act,
    crop_like,
    head,
    pad_for_encoder,
)
from hcnet.nets.losses import segmentation_loss
from hcnet.nets.recipe import Batch, Leg, Recipe
from hcnet.nets.resunet import ResUNetBody

SKIP_PHASE = 2
"""Index of the phase whose maps the decoder gets as skips; the pre-contrast phase is 0."""

PositiveInt = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """Options of `zhang`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[PositiveInt, Field(description="channels at full resolution")] = 16
    dim: Annotated[PositiveInt, Field(description="length of a token")] = 768
    layers: Annotated[PositiveInt, Field(description="layers of each transformer")] = 12
    heads: Annotated[PositiveInt, Field(description="attention heads; they share `dim`")] = 12
    mlp: Annotated[PositiveInt, Field(description="hidden units of a layer")] = 2048
    dropout: Annotated[float, Field(ge=0, lt=1, description="in the transformers")] = 0.1
    grid: Annotated[
        tuple[PositiveInt, PositiveInt, PositiveInt],
        Field(description="deepest map on which places are learned: 1/16 of the patch"),
    ] = (2, 6, 6)


class SpatialTemporalNet(nn.Module):
    """Network of Zhang et al.; the output are logits.

    A place has a learned vector on the deepest map of the published patch (32 x 96 x 96); for other
    sizes the vectors are interpolated.

    Args:
        phases: of an exam, the pre-contrast one included.
        out_channels: 1 for a mask, K + 1 for heterogeneity classes.
        options: sizes.
    """

    def __init__(self, phases: int, out_channels: int, options: Options) -> None:
        super().__init__()
        self.phases = phases
        deepest = 16 * options.width
        self.body = ResUNetBody(2, options.width)  # called part by part
        self.tokens = nn.Conv3d(deepest, options.dim, 1)
        self.places = nn.Parameter(torch.zeros(1, options.dim, *options.grid))
        self.times = nn.Parameter(torch.zeros(1, phases, options.dim))
        self.spatial = Transformer(options)
        self.temporal = Transformer(options)
        self.entry = conv_norm_act(phases * options.dim, deepest)
        self.head = head(options.width, out_channels)

    def forward(self, image: Tensor, present: Tensor) -> Tensor:
        """Logits (B, out_channels, x, y, z).

        Args:
            image: (B, phases, x, y, z) of any size, all phases on the intensity scale of the
                pre-contrast one, which is the first.
            present: (B, phases, x, y, z), 1 where the exam has the phase and 0 where not, the same
                in all voxels. A missing phase may hold anything, see `fill_missing`.

        Raises:
            ValueError: another number of phases than the network was built for.
        """
        if image.shape[1] != self.phases or present.shape[1] != self.phases:
            raise ValueError(
                f"the network takes {self.phases} phases, not {image.shape[1]} with "
                f"{present.shape[1]} flags"
            )
        has = present[:, :, 0, 0, 0] > 0.5
        series = fill_missing(pad_for_encoder(image), has)
        pairs = torch.stack([series, series - series[:, :1]], dim=2).flatten(0, 1)

        skip_phase = min(SKIP_PHASE, self.phases - 1)
        features = apply_safely(self.body.encoder[0], pairs)
        skips = []
        for block in self.body.encoder[1:]:
            skips.append(features.unflatten(0, has.shape)[:, skip_phase])
            features = apply_safely(block, self.body.pool(features))

        tokens = apply_safely(self.tokens, features).unflatten(0, has.shape)
        features = self._attend(tokens * has.to(tokens.dtype)[:, :, None, None, None, None])

        features = apply_safely(self.entry, features.flatten(1, 2))
        for up, block in zip(self.body.up, self.body.decoder, strict=True):
            features = torch.cat([apply_safely(up, features), skips.pop()], dim=1)
            features = apply_safely(block, features)
        return apply_safely(self.head, crop_like(features, image))

    def _attend(self, tokens: Tensor) -> Tensor:
        """Sum of both transformers' output, of and as (B, phases, dim, x, y, z)."""
        batch, phases, _, *grid = tokens.shape
        sequence = tokens.flatten(3).transpose(2, 3)  # (B, phases, places, dim)
        places = F.interpolate(self.places, size=grid, mode="trilinear").flatten(2).transpose(1, 2)
        along_space = self.spatial(sequence.flatten(0, 1) + places).unflatten(0, (batch, phases))
        along_time = self.temporal(sequence.transpose(1, 2).flatten(0, 1) + self.times)
        total = along_space + along_time.unflatten(0, (batch, -1)).transpose(1, 2)
        return total.transpose(2, 3).unflatten(3, grid)


class Transformer(nn.Module):
    """Layers of self-attention with norms before them, and a norm at the end.

    Args:
        options: sizes.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(_Layer(options) for _ in range(options.layers))
        self.norm = nn.LayerNorm(options.dim, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (sequences, length, dim) that have seen the others of their sequence."""
        tokens = self.dropout(tokens)
        for layer in self.layers:
            tokens = layer(tokens)
        normed: Tensor = self.norm(tokens)
        return normed


def fill_missing(series: Tensor, has: Tensor) -> Tensor:
    """Put a phase that the exam has in the place of each that it has not.

    It is the first post-contrast phase that there is; without any, the pre-contrast phase.

    Args:
        series: (B, phases, x, y, z), pre-contrast first.
        has: (B, phases) booleans.
    """
    post_then_pre = torch.cat([has[:, 1:], has[:, :1]], dim=1)
    first = (post_then_pre.int().argmax(dim=1) + 1) % has.shape[1]
    stand_in = series[torch.arange(len(series), device=series.device), first]
    return torch.where(has[:, :, None, None, None], series, stand_in[:, None])


def build(in_channels: int, out_channels: int, options: Options) -> SpatialTemporalNet:
    """Build a `SpatialTemporalNet`.

    Args:
        in_channels: phases of an exam.
        out_channels: of the logits.
        options: see `Options`.

    Raises:
        ConfigError: the heads cannot share the tokens.
    """
    if options.dim % options.heads:
        raise ConfigError(
            f"zhang: tokens of dim = {options.dim} cannot be shared by heads = {options.heads}; "
            f"make dim a multiple of heads."
        )
    return SpatialTemporalNet(in_channels, out_channels, options)


class _Layer(nn.Module):
    """Self-attention, then a perceptron for each token; both added to their input."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        dim = options.dim
        self.heads = options.heads
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(options.dropout))
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, options.mlp),
            nn.GELU(),
            nn.Dropout(options.dropout),
            nn.Linear(options.mlp, dim),
            nn.Dropout(options.dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        projected = self.query_key_value(self.attention_norm(tokens))
        tokens = tokens + self.out(multi_head(projected, self.heads))
        return tokens + self.mlp(tokens)


def mask_loss(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Dice with squared terms + binary cross-entropy."""
    logits = network(batch["image"], batch["phases"])
    return segmentation_loss(logits, batch["tumour"], lambda_=1.0, squared=True)


RECIPE = Recipe(
    legs=(Leg(loss=mask_loss),),
    lr=0.005,
    halve_every=1 / 10,
    note="BCE + Dice with squares in its denominator, Adam; as in the authors' code. Theirs halves "
    "the rate every 30 of 300 epochs.",
)
