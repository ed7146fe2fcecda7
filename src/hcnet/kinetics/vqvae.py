"""The VQ-VAE for curves (paper 2.1, Eq. 1), and the care its codebook needs.

Equation 1 taken literally has no term that ties the encoder to the codebook: the codes must run
after latents that drift freely, and most lose all members ("collapse"). What keeps them alive here,
all of it outside the loss and our own choice: the autoencoder learns for one epoch before there are
codes; the codes start by k-means++ on its latents; after each epoch they are moved to the mean
of their members, where the quantisation term is least; and codes with hardly a member are re-seeded
where the reconstruction is worst.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hcnet.kinetics.settings import ClusteringLoss, KineticsConfig

ASSIGN_CHUNK = 16_384
"""Curves assigned at once: the distances stay in the processor's cache."""

TEND_SAMPLE = 65_536
"""Most curves looked at when the codebook is started, settled or revived."""

# Nothing is revived in the last fifth of training, so that the codes come to rest.
_REVIVE_UNTIL = 0.8


class Quantised(NamedTuple):
    """What the model makes of N curves.

    Attributes:
        latents: (N, d) encoder outputs z_e.
        codes: (N,) nearest code of each; -1 while there is no codebook yet.
        vectors: (N, d) their code vectors c_k; the latents while there is no codebook yet.
        reconstruction: (N, T) decoded curves; gradients pass straight through to the encoder.
    """

    latents: Tensor
    codes: Tensor
    vectors: Tensor
    reconstruction: Tensor


class CurveVqVae(nn.Module):
    """Encoder, codebook and decoder for normalised curves.

    Attributes:
        codebook: (K, d) parameter.
        hidden: width of the hidden layers.
        started: whether the codebook is in use (a buffer, so that a checkpoint knows it).
    """

    codebook: nn.Parameter
    started: Tensor

    def __init__(self, points: int, k: int, latent_dim: int, hidden: int, seed: int) -> None:
        """Build the model with weights drawn from `seed`.

        Args:
            points: T, points of a curve.
            k: number of codes.
            latent_dim: d, dimensions of the latent space.
            hidden: width of the two hidden layers of encoder and decoder.
            seed: of the weights.
        """
        super().__init__()
        self.hidden = hidden
        generator = torch.Generator().manual_seed(seed)
        self.encoder = _mlp(points, hidden, latent_dim, generator)
        self.decoder = _mlp(latent_dim, hidden, points, generator)
        self.codebook = nn.Parameter(torch.randn(k, latent_dim, generator=generator))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, curves: Tensor) -> Quantised:
        """Encode, quantise and decode (N, T) curves."""
        latents = self.encoder(curves)
        if not self.started:
            codes = torch.full((len(curves),), -1, device=curves.device)
            return Quantised(latents, codes, latents, self.decoder(latents))
        codes = nearest(latents.detach(), self.codebook.detach())
        # Not codebook[codes]: its backward adds up in parallel, in an order that changes from run
        # to run, and the same seed would no longer give the same codes.
        vectors = functional.embedding(codes, self.codebook)
        straight_through = latents + (vectors - latents).detach()
        return Quantised(latents, codes, vectors, self.decoder(straight_through))

    @torch.no_grad()
    def assign(self, curves: Tensor) -> Tensor:
        """(N,) code of each of (N, T) curves, in chunks."""
        return self.encode(curves)[1]

    @torch.no_grad()
    def encode(self, curves: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (N, d) and codes (N,) of (N, T) curves, in chunks."""
        book = self.codebook
        latents = torch.empty(len(curves), book.shape[1], device=book.device)
        codes = torch.empty(len(curves), dtype=torch.int64, device=book.device)
        for start in range(0, len(curves), ASSIGN_CHUNK):
            part = slice(start, start + ASSIGN_CHUNK)
            latents[part] = self.encoder(curves[part].to(book.device))
            codes[part] = nearest(latents[part], book)
        return latents, codes

    @torch.no_grad()
    def decoded(self) -> Tensor:
        """(K, T) the curve that each code stands for."""
        return self.decoder(self.codebook)


def nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """(N,) index of the nearest of (K, d) codes to each of (N, d) latents; the lower on a tie."""
    # ||z||^2 is the same for all codes, so the nearest minimises ||c||^2 - 2 z c. Code by code, as
    # rows of K numbers would take a processor twice as long to multiply and to search.
    lengths = codebook.square().sum(dim=1, keepdim=True)
    return torch.addmm(lengths, codebook, latents.T, alpha=-2).min(dim=0).indices


def clustering_losses(
    curves: Tensor, output: Quantised, beta: float, kind: ClusteringLoss
) -> dict[str, Tensor]:
    """The paper's Eq. 1, or the usual VQ-VAE loss.

    `eq1`: ||TIC - TIC^||^2 + beta ||sg[z] - c_k||^2. The second term moves the codes only; the
    encoder learns through the straight-through reconstruction alone.
    `commitment`: ||TIC - TIC^||^2 + ||sg[z] - c_k||^2 + beta ||z - sg[c_k]||^2 (van den Oord et al.
    2017, Eq. 3).
    Norms are summed over dimensions and averaged over curves. Before the codebook is started, the
    quantisation terms are 0.

    Args:
        curves: (N, T) the model's input.
        output: the model's output.
        beta: weight, see above.
        kind: which loss.

    Returns:
        scalars `loss`, `reconstruction` and `quantisation` (||z - c_k||^2, without weight).
    """
    reconstruction = _squared(curves, output.reconstruction)
    quantisation = _squared(output.latents.detach(), output.vectors)
    if kind == "eq1":
        loss = reconstruction + beta * quantisation
    else:
        commitment = _squared(output.latents, output.vectors.detach())
        loss = reconstruction + quantisation + beta * commitment
    return {"loss": loss, "reconstruction": reconstruction, "quantisation": quantisation.detach()}


@torch.no_grad()
def tend_codebook(
    model: CurveVqVae, curves: Tensor, config: KineticsConfig, epoch: int, seed: int
) -> dict[str, float]:
    """What the codebook needs after an epoch: its start after the first, then settling and revival.

    It depends on the model, the curves, the epoch and the seed alone, so a resumed run does the
    same.

    Args:
        model: trained in place.
        curves: (N, T) normalised curves of the training sample.
        config: settings of stage 1.
        epoch: the epoch that has just ended, from 0.
        seed: of the run.

    Returns:
        for the log: `perplexity` of the codes on a part of the sample, `alive` codes (used at all),
        and `revived` ones.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    chosen = torch.randperm(len(curves), generator=generator)[:TEND_SAMPLE]
    part = curves[chosen].to(model.codebook.device)
    latents = model.encoder(part)
    revived = 0
    if not model.started:
        model.codebook.copy_(kmeans_start(latents, len(model.codebook), generator))
        model.started.fill_(True)
        settle(model, latents)
    else:
        settle(model, latents)
        if epoch < _REVIVE_UNTIL * config.epochs:
            revived = revive(model, part, latents, config.revive_below, generator)
    share = _shares(model, latents)
    entropy = -(share * share.clamp_min(1e-12).log()).sum()
    return {
        "perplexity": math.exp(float(entropy)),
        "alive": float((share > 0).sum()),
        "revived": float(revived),
    }


def kmeans_start(latents: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """K-means++ (Arthur & Vassilvitskii 2007): codes drawn far from each other.

    Args:
        latents: (N, d).
        k: codes to draw.
        generator: on the CPU.

    Returns:
        (K, d) rows of `latents`; some are equal where there are fewer distinct ones than K.
    """
    first = latents[torch.randint(len(latents), (1,), generator=generator)][0]
    chosen = [first]
    apart = (latents - first).square().sum(dim=1)
    for _ in range(k - 1):
        code = latents[_draw(apart, 1, generator)[0]]
        chosen.append(code)
        apart = torch.minimum(apart, (latents - code).square().sum(dim=1))
    return torch.stack(chosen)


@torch.no_grad()
def settle(model: CurveVqVae, latents: Tensor) -> None:
    """Move each code to the mean of its members, the least of Eq. 1's second term (in place).

    A code without members stays.
    """
    codes = nearest(latents, model.codebook)
    member = functional.one_hot(codes, len(model.codebook)).to(latents.dtype)
    counts = member.sum(dim=0)
    used = counts > 0
    model.codebook[used] = (member.T @ latents)[used] / counts[used, None]


@torch.no_grad()
def revive(
    model: CurveVqVae, curves: Tensor, latents: Tensor, below: float, generator: torch.Generator
) -> int:
    """Re-seed the codes whose share of the curves is under `below` (in place).

    A dead code takes the latent of a curve drawn with odds proportional to its squared
    reconstruction error: badly reconstructed curves, without hanging on a single outlier.

    Returns:
        number of codes revived.
    """
    dead = torch.nonzero(_shares(model, latents) < below).flatten()
    if len(dead):
        decoded = model.decoded()[nearest(latents, model.codebook)]
        error = (decoded - curves).square().sum(dim=1)
        model.codebook[dead] = latents[_draw(error, len(dead), generator)]
    return len(dead)


def _shares(model: CurveVqVae, latents: Tensor) -> Tensor:
    codes = nearest(latents, model.codebook)
    return torch.bincount(codes, minlength=len(model.codebook)) / len(codes)


def _draw(odds: Tensor, count: int, generator: torch.Generator) -> Tensor:
    # The cumulative sum in double precision: multinomial takes no more than 2^24 odds. The tiny
    # addition lets equal points be drawn when nothing else is left.
    ends = (odds.detach().cpu().double() + 1e-30).cumsum(dim=0)
    marks = torch.rand(count, generator=generator, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, marks).clamp_max(len(odds) - 1)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().sum(dim=1).mean()


def _mlp(inputs: int, hidden: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, following in ((inputs, hidden), (hidden, hidden), (hidden, outputs)):
        linear = nn.Linear(width, following)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])
