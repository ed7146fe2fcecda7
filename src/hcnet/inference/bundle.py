"""Bundle: all that segmenting needs, in one folder or zip.

`bundle.json` says what the networks are, how an image is prepared for them and what they were
trained on, with the SHA-256 of every weights file. Weights are safetensors: loading a bundle never
runs code from it.
"""

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from hcnet.errors import BundleError
from hcnet.files import write_aside, write_text
from hcnet.kinetics.clustering import Clustering
from hcnet.kinetics.codebook import Codebook
from hcnet.nets.blocks import channels_last
from hcnet.nets.registry import build_network
from hcnet.prepare.settings import PrepareConfig
from hcnet.settings import InferenceSettings, NetworkSettings, Patch, Settings

JSON = "bundle.json"
LARGEST_FILE = 2 << 30


class StoredNetwork(Settings):
    """One network of a bundle."""

    network: NetworkSettings
    patch: Patch
    file: Literal["hipm.safetensors", "kis.safetensors"]
    sha256: str
    in_channels: int = 1
    out_channels: int


class BundleInfo(Settings):
    """The content of `bundle.json`."""

    schema_version: Literal[1] = 1
    name: str
    hcnet_version: str
    created: str
    licence: str
    training_data: dict[str, Any]
    scores: dict[str, Any]
    maps: Literal["soft", "hard"]
    prepare: PrepareConfig
    inference: InferenceSettings
    hipm: StoredNetwork
    kis: StoredNetwork
    clustering: dict[Literal["vqvae.safetensors", "vqvae.json", "codebook.json"], str]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was opened and checked.

    Attributes:
        path: the folder or zip.
        info: `bundle.json`.
        clustering: stage 1, fitted: what the classes are.
    """

    path: Path
    info: BundleInfo
    clustering: Clustering

    @property
    def codebook(self) -> Codebook:
        """The classes."""
        return self.clustering.codebook

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Build HIPM and KIS-Net with the stored weights, in evaluation mode.

        Raises:
            BundleError: a weights file is missing, altered or does not fit its network.
        """
        read = _reader(self.path)
        return _network(self.path, read, self.info.hipm), _network(self.path, read, self.info.kis)

    def digest(self) -> str:
        """SHA-256 of `bundle.json`, which itself holds the hashes of all other files."""
        return hashlib.sha256(_reader(self.path)(JSON)).hexdigest()


def open_bundle(path: Path) -> Bundle:
    """Open a bundle folder or zip.

    Raises:
        BundleError: it is missing, incomplete, altered, or of another schema version.
    """
    read = _reader(path)
    try:
        info = BundleInfo.model_validate_json(read(JSON))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {JSON} cannot be used: {where}: {first['msg']}.") from None
    files: dict[str, bytes] = {
        name: _checked(path, read, name, sha256) for name, sha256 in info.clustering.items()
    }
    return Bundle(path, info, Clustering.from_files(files, str(path)))


def write_bundle(
    path: Path,
    *,
    hipm: nn.Module,
    kis: nn.Module,
    hipm_network: Mapping[str, Any],
    kis_network: Mapping[str, Any],
    clustering: Clustering,
    **facts: Any,
) -> Bundle:
    """Write a bundle folder; `bundle.json` comes last, so that a folder with it is complete.

    Args:
        path: the folder.
        hipm: trained network of stage 2.
        kis: trained network of stage 3.
        hipm_network: `network`, `patch`, `out_channels` of stage 2.
        kis_network: the same of stage 3.
        clustering: stage 1.
        **facts: the remaining fields of `BundleInfo`.
    """
    stored = {}
    for key, model, about in (("hipm", hipm, hipm_network), ("kis", kis, kis_network)):
        tensors = {n: t.detach().cpu().contiguous().clone() for n, t in model.state_dict().items()}
        content = save_tensors(tensors)
        file = f"{key}.safetensors"
        _write(path / file, content)
        stored[key] = {**about, "file": file, "sha256": hashlib.sha256(content).hexdigest()}
    parts = clustering.to_files()
    for name, content in parts.items():
        _write(path / name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    info = BundleInfo.model_validate({**facts, **stored, "clustering": digests})
    write_text(path / JSON, info.model_dump_json(indent=2, by_alias=True) + "\n")
    return Bundle(path, info, clustering)


def _write(path: Path, content: bytes) -> None:
    with write_aside(path) as aside:
        aside.write_bytes(content)


def _network(path: Path, read: Callable[[str], bytes], stored: StoredNetwork) -> nn.Module:
    content = _checked(path, read, stored.file, stored.sha256)
    model = build_network(
        stored.network.name, stored.in_channels, stored.out_channels, stored.network.options
    )
    try:
        model.load_state_dict(load_tensors(content))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(
            f"{path}: {stored.file} does not fit the network {stored.network.name}."
        ) from error
    return channels_last(model.eval())


def _checked(path: Path, read: Callable[[str], bytes], name: str, sha256: str) -> bytes:
    content = read(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{path}: {name} was altered or damaged; get the bundle anew.")
    return content


def _reader(path: Path) -> Callable[[str], bytes]:
    """How to read a named file of the bundle; only the fixed names above are ever asked for."""
    if path.is_dir():
        return lambda name: _from_folder(path, name)
    if path.is_file() and zipfile.is_zipfile(path):
        return lambda name: _from_zip(path, name)
    raise BundleError(f"{path}: is not a bundle; a bundle is a folder or zip with {JSON} in it.")


def _from_folder(path: Path, name: str) -> bytes:
    file = path / name
    if not file.is_file():
        raise BundleError(f"{path}: has no {name}; the bundle is incomplete.")
    if file.stat().st_size > LARGEST_FILE:
        raise BundleError(f"{file}: is larger than a bundle's file can be.")
    return file.read_bytes()


def _from_zip(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            # the bundle may have been zipped with its folder
            names = [m for m in archive.namelist() if m == name or m.endswith("/" + name)]
            if len(names) != 1:
                raise BundleError(f"{path}: has no {name}, or several; the bundle is incomplete.")
            if archive.getinfo(names[0]).file_size > LARGEST_FILE:
                raise BundleError(f"{path}: {name} is larger than a bundle's file can be.")
            return archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise BundleError(f"{path}: the zip is damaged ({error}).") from error
