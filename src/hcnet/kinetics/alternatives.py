"""Simpler ways to sort curves into K kinds, to hold against the VQ-VAE.

`kmeans` is Lloyd's algorithm on normalised curves, `gmm` a Gaussian mixture started from it, and
`bins` the radiologists' rule on early enhancement and signal enhancement ratio. Their codes are
described and sorted by the same `Codebook`, so their maps can take the place of the VQ-VAE's.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.cluster.vq import vq

from hcnet.errors import BundleError, InputError
from hcnet.kinetics.bins import SER_CUTS, assign_bins, bin_layout, early_point, filled_bins, pe_cuts
from hcnet.kinetics.clustering import map_exam
from hcnet.kinetics.codebook import Codebook, fit_codebook
from hcnet.kinetics.mixture import Mixture, fit_mixture, log_joint
from hcnet.kinetics.quality import kmeans_reference
from hcnet.kinetics.settings import KineticsConfig, Scale
from hcnet.kinetics.tic import Floats, scale_curves

Kind = Literal["kmeans", "gmm", "bins"]

FIT_POINTS = 100_000
"""Most curves that k-means and the mixture are fitted on; the codebook is described on all."""


@dataclass(frozen=True, eq=False)
class Alternative:
    """A fitted alternative; a `clustering.Clusterer`.

    Attributes:
        kind: which.
        codebook: what its codes are, in order of suspicion.
        rule: how a curve gets its code.
    """

    kind: Kind
    codebook: Codebook
    rule: "_Rule"

    @property
    def k(self) -> int:
        """Number of codes; for `bins` as near to what was asked for as the rule allows."""
        return self.codebook.k

    @property
    def decoded(self) -> NDArray[np.float64]:
        """(K, T) curve that stands for each sorted code: centroid, mean of component or of bin."""
        return np.asarray(self.rule.prototypes, dtype=np.float64)[self.codebook.order]

    def assign(self, curves: Floats) -> NDArray[np.uint8]:
        """(N,) sorted code, 0 to K - 1, of (N, T) curves normalised by `codebook.scale`."""
        ranks = self.codebook.labels - np.uint8(1)
        return np.asarray(ranks[self.rule.codes(curves)], dtype=np.uint8)

    def map_case(
        self, phases: NDArray[Any], breast: NDArray[Any], clock: Floats
    ) -> NDArray[np.uint8]:
        """The heterogeneity map of an exam; see `clustering.map_exam`."""
        return map_exam(self, phases, breast, clock)

    def to_json(self) -> str:
        """Everything as JSON text; `from_json` gives the same codes back."""
        stored = _Stored(
            format="hcnet-alternative-1",
            rule=self.rule,
            codebook=json.loads(self.codebook.to_json()),
        )
        return stored.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Alternative":
        """Read what `to_json` wrote; nothing in it is executed.

        Raises:
            BundleError: not JSON, a field is missing, unknown, or does not fit the others.
        """
        try:
            stored = _Stored.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "text"
            raise BundleError(
                f"the alternative clustering cannot be used: {where}: {first['msg']}."
            ) from None
        codebook = Codebook.from_json(json.dumps(stored.codebook))
        if np.shape(stored.rule.prototypes) != codebook.mean.shape:
            raise BundleError("the alternative clustering has other codes than its codebook.")
        return cls(stored.rule.kind, codebook, stored.rule)


def fit_alternative(
    kind: Kind, raw: Floats, config: KineticsConfig, grid: Floats, seed: int
) -> Alternative:
    """Fit an alternative to the VQ-VAE on the same sample of curves.

    Args:
        kind: which; `bins` always uses `relative` scaling, since min-max loses the PE that it
            needs, so `codebook.scale` may differ from `config.scale`.
        raw: (N, T) curves of the training cohort, resampled but not normalised.
        config: K and scale; the rest concerns the VQ-VAE.
        grid: (T,) seconds.
        seed: of the thinning and of the k-means++ starts.

    Raises:
        InputError: no curve, or fewer distinct ones than K.
    """
    if not len(raw):
        raise InputError("there are no curves to fit an alternative clustering to.")
    scale: Scale = "relative" if kind == "bins" else config.scale
    scaled = scale_curves(raw, scale)
    rule: _Rule
    if kind == "bins":
        rule = _fit_bins(scaled, config.k, grid)
    else:
        sample = _thinned(scaled, seed)
        centroids, _ = kmeans_reference(sample, config.k, seed)
        rule = _KMeans(kind="kmeans", prototypes=centroids.tolist())
        if kind == "gmm":
            mixture, _ = fit_mixture(sample, rule.codes(sample), config.k)
            rule = _Gmm(
                kind="gmm",
                weights=mixture.weights.tolist(),
                prototypes=mixture.means.tolist(),
                covariances=mixture.covariances.tolist(),
            )
    decoded = np.asarray(rule.prototypes, dtype=np.float64)
    codebook = fit_codebook(raw, rule.codes(scaled), decoded, grid, scale)
    return Alternative(kind, codebook, rule)


def _fit_bins(relative: Floats, k: int, grid: Floats) -> "_Bins":
    levels, bands = bin_layout(k, len(grid))
    early = early_point(grid)
    pe, ser = pe_cuts(relative, early, levels), list(SER_CUTS[bands])
    codes = assign_bins(relative, early, pe, ser)
    counts = np.bincount(codes, minlength=1 + levels * bands)
    means = [relative[codes == code].mean(axis=0) for code in np.flatnonzero(counts)]
    filled = filled_bins(counts, bands)
    place = {int(code): number for number, code in enumerate(np.flatnonzero(counts))}
    return _Bins(
        kind="bins",
        early=early,
        pe=pe,
        ser=ser,
        filled=filled,
        prototypes=[means[place[code]].tolist() for code in filled],
    )


def _thinned(curves: Floats, seed: int) -> Floats:
    if len(curves) <= FIT_POINTS:
        return curves
    rng = np.random.default_rng([seed, 8])
    return curves[np.sort(rng.choice(len(curves), FIT_POINTS, replace=False, shuffle=False))]


_Row = Annotated[list[float], Field(min_length=2, max_length=256)]
_Table = Annotated[list[_Row], Field(min_length=2, max_length=254)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    prototypes: _Table

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        if len({len(row) for row in self.prototypes}) > 1:
            raise ValueError("prototypes have different numbers of time points")
        return self


class _KMeans(_Strict):
    kind: Literal["kmeans"]

    def codes(self, curves: Floats) -> NDArray[np.int64]:
        """(N,) nearest prototype."""
        nearest, _ = vq(np.asarray(curves, dtype=np.float64), np.asarray(self.prototypes))
        return np.asarray(nearest, dtype=np.int64)


class _Gmm(_Strict):
    kind: Literal["gmm"]
    weights: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=254)]
    covariances: list[_Table]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        k, points = np.shape(self.prototypes)
        tables = {tuple(map(len, covariance)) for covariance in self.covariances}
        sizes = (len(self.weights), len(self.covariances), tables)
        if sizes != (k, k, {(points,) * points}):
            raise ValueError("weights, prototypes and covariances differ in size")
        if any(np.linalg.eigvalsh(covariance).min() <= 0 for covariance in self.covariances):
            raise ValueError("a covariance is not positive definite")
        return self

    def codes(self, curves: Floats) -> NDArray[np.int64]:
        """(N,) most probable component."""
        parts = (np.asarray(p) for p in (self.weights, self.prototypes, self.covariances))
        mixture = Mixture(*parts)
        return np.asarray(log_joint(mixture, curves).argmax(axis=1), dtype=np.int64)


class _Bins(_Strict):
    kind: Literal["bins"]
    early: int = Field(ge=1)
    pe: list[float] = Field(min_length=1)
    ser: list[float]
    filled: list[Annotated[int, Field(ge=0)]]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        k, points = np.shape(self.prototypes)
        if k != 1 + len(self.pe) * (len(self.ser) + 1) or self.early >= points:
            raise ValueError("cuts and prototypes do not fit together")
        if len(self.filled) != k or max(self.filled) >= k:
            raise ValueError("filled is not a bin for each bin")
        if (np.diff(self.pe) < 0).any() or (np.diff(self.ser) <= 0).any():
            raise ValueError("the cuts must rise")
        return self

    def codes(self, curves: Floats) -> NDArray[np.int64]:
        """(N,) bin of PE and SER; that of the nearest where training met no such curve."""
        filled = np.asarray(self.filled, dtype=np.int64)
        return filled[assign_bins(curves, self.early, self.pe, self.ser)]


_Rule = _KMeans | _Gmm | _Bins


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    format: Literal["hcnet-alternative-1"]
    rule: Annotated[_Rule, Field(discriminator="kind")]
    codebook: dict[str, Any]
