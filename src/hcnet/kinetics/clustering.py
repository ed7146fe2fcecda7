"""Clustering: a fitted model with its codebook, which turns an exam into a heterogeneity map."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from hcnet.errors import BundleError, InputError
from hcnet.files import write_aside
from hcnet.kinetics.codebook import OUTSIDE, Codebook, fit_codebook
from hcnet.kinetics.curves import iter_curves
from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.tic import Floats, scale_curves
from hcnet.kinetics.vqvae import CurveVqVae

WEIGHTS = "vqvae.safetensors"
CODEBOOK = "codebook.json"
MODEL = "vqvae.json"


def build_model(config: KineticsConfig, points: int, seed: int) -> CurveVqVae:
    """The untrained model of a configuration, for curves of `points` points."""
    return CurveVqVae(points, config.k, config.latent_dim, config.hidden, seed)


class Clusterer(Protocol):
    """Whatever gives curves a code of a codebook: the VQ-VAE here, or one of `alternatives`."""

    @property
    def codebook(self) -> Codebook:
        """What the codes are, in order of suspicion."""
        ...

    @property
    def decoded(self) -> NDArray[np.floating[Any]]:
        """(K, T) normalised curve that stands for each sorted code."""
        ...

    def assign(self, curves: Floats) -> NDArray[np.uint8]:
        """(N,) sorted code of (N, T) curves, normalised by the codebook's scale."""
        ...


def map_exam(
    clusterer: Clusterer, phases: NDArray[Any], breast: NDArray[Any], clock: Floats
) -> NDArray[np.uint8]:
    """The heterogeneity map of an exam; memory does not grow with it but for the map itself.

    Args:
        clusterer: gives the codes.
        phases: (P, X, Y, Z) signal on one scale, pre-contrast first; P may differ from T.
        breast: (X, Y, Z) mask.
        clock: (P,) seconds of the phases (`tic.kinetic_clock`).

    Returns:
        (X, Y, Z) uint8: 0 outside the breast, k + 1 for sorted code k.

    Raises:
        GeometryError, InputError: as `curves.iter_curves`.
    """
    codebook = clusterer.codebook
    labels = np.full(breast.shape, OUTSIDE, dtype=np.uint8)
    flat = labels.reshape(-1)
    for voxels, curves in iter_curves(phases, breast, clock, codebook.grid_s):
        flat[voxels] = clusterer.assign(scale_curves(curves, codebook.scale)) + np.uint8(1)
    return labels


@dataclass(frozen=True, eq=False)
class Clustering:
    """A fitted clustering.

    Attributes:
        model: the VQ-VAE.
        codebook: what its codes are, in order of suspicion.
    """

    model: CurveVqVae
    codebook: Codebook

    @classmethod
    def fit_order(
        cls, model: CurveVqVae, sample: Floats, config: KineticsConfig, grid: Floats
    ) -> "Clustering":
        """Describe and sort the codes of a trained model.

        Args:
            model: trained on the sample.
            sample: (N, T) curves of the training cohort, resampled but not normalised.
            config: the settings it was trained with.
            grid: (T,) seconds.

        Raises:
            InputError: no curve.
        """
        if not len(sample):
            raise InputError("there are no curves to fit a codebook to.")
        codes = _codes(model, scale_curves(sample, config.scale))
        decoded = model.decoded().cpu().double().numpy()
        return cls(model.eval(), fit_codebook(sample, codes, decoded, grid, config.scale))

    def assign(self, curves: Floats) -> NDArray[np.uint8]:
        """(N,) sorted code, 0 (least suspicious) to K - 1, of (N, T) normalised curves."""
        ranks = self.codebook.labels - np.uint8(1)
        return np.asarray(ranks[_codes(self.model, curves)], dtype=np.uint8)

    def latents(self, curves: Floats) -> NDArray[np.float32]:
        """(N, d) encoder outputs of (N, T) normalised curves."""
        return self.encode(curves)[0]

    def encode(self, curves: Floats) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Encoder outputs (N, d) and sorted codes (N,) of (N, T) normalised curves."""
        latents, codes = self.model.encode(_batch(curves))
        ranks = self.codebook.labels - np.uint8(1)
        return latents.cpu().numpy(), np.asarray(ranks[codes.cpu().numpy()], dtype=np.uint8)

    @property
    def decoded(self) -> NDArray[np.float32]:
        """(K, T) decoded curve of each sorted code."""
        return np.asarray(self.model.decoded().cpu().numpy()[self.codebook.order])

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(K, d) code vector of each sorted code."""
        return np.asarray(self.model.codebook.detach().cpu().numpy()[self.codebook.order])

    def map_case(
        self, phases: NDArray[Any], breast: NDArray[Any], clock: Floats
    ) -> NDArray[np.uint8]:
        """The heterogeneity map of an exam; see `map_exam`."""
        return map_exam(self, phases, breast, clock)

    def to_files(self) -> dict[str, bytes]:
        """Model and codebook as files' contents by name: safetensors and JSON."""
        model = self.model
        shape = _Shape(
            points=len(self.codebook.grid_s),
            k=model.codebook.shape[0],
            latent_dim=model.codebook.shape[1],
            hidden=model.hidden,
        )
        tensors = {n: value.detach().cpu().contiguous() for n, value in model.state_dict().items()}
        return {
            WEIGHTS: save(tensors),
            MODEL: (shape.model_dump_json(indent=1) + "\n").encode(),
            CODEBOOK: self.codebook.to_json().encode(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str = "the clustering") -> "Clustering":
        """Read what `to_files` gave; nothing in the files is executed.

        Args:
            files: contents by name.
            where: they come from, for messages.

        Raises:
            BundleError: a file is missing, damaged, or does not fit the others.
        """
        absent = sorted({WEIGHTS, MODEL, CODEBOOK} - set(files))
        if absent:
            raise BundleError(f"{where}: has no {absent[0]}.")
        codebook = Codebook.from_json(files[CODEBOOK].decode("utf-8", errors="replace"))
        try:
            shape = _Shape.model_validate_json(files[MODEL])
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise BundleError(f"{where}: {MODEL} cannot be used ({message}).") from None
        if (shape.k, shape.points) != (codebook.k, len(codebook.grid_s)):
            raise BundleError(f"{where}: the model does not belong to the codebook beside it.")
        model = CurveVqVae(shape.points, shape.k, shape.latent_dim, shape.hidden, seed=0)
        _load_weights(model, files[WEIGHTS], where)
        return cls(model.eval(), codebook)

    def save(self, folder: Path) -> None:
        """Write the files of `to_files` into a folder, the codebook last."""
        for name, content in self.to_files().items():
            with write_aside(folder / name) as path:
                path.write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> "Clustering":
        """Read what `save` wrote; errors as `from_files`."""
        names = (name for name in (WEIGHTS, MODEL, CODEBOOK) if (folder / name).is_file())
        return cls.from_files({name: (folder / name).read_bytes() for name in names}, str(folder))


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    points: int = Field(ge=2, le=256)
    k: int = Field(ge=2, le=254)
    latent_dim: int = Field(ge=1, le=256)
    hidden: int = Field(ge=1, le=4096)


def _load_weights(model: CurveVqVae, content: bytes, where: str) -> None:
    path = f"{where}: {WEIGHTS}"
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise BundleError(f"{path} cannot be read as safetensors ({error}).") from None
    expected = model.state_dict()
    kinds = {name: (value.dtype, value.shape) for name, value in expected.items()}
    if {name: (value.dtype, value.shape) for name, value in tensors.items()} != kinds:
        raise BundleError(f"{path}: these are not the weights of the model described beside them.")
    if not all(torch.isfinite(value).all() for value in tensors.values()):
        raise BundleError(f"{path}: the weights hold values that are not finite numbers.")
    if not tensors["started"]:
        raise BundleError(f"{path}: the model was saved before its codebook was trained.")
    model.load_state_dict(tensors)


def _codes(model: CurveVqVae, curves: Floats) -> NDArray[np.int64]:
    return np.asarray(model.assign(_batch(curves)).cpu().numpy())


def _batch(curves: Floats) -> torch.Tensor:
    return torch.from_numpy(np.asarray(curves, dtype=np.float32))
