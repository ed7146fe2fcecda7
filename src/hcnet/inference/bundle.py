"""Bundle: all that segmenting needs, in one folder or zip.

`bundle.json` says what the networks are, how an image is prepared for them and what they were
trained on, with the SHA-256 of every weights file. Weights are safetensors: loading a bundle never
runs code from it.

A bundle holds an ensemble of one member or more. A member is a HIPM and a KIS-Net that was trained
on maps of its kind; all members have the same architecture and predict by themselves. Each has a
HIPM of its own, or one HIPM serves them all.
"""

import copy
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from hcnet.errors import BundleError
from hcnet.files import write_aside, write_text
from hcnet.inference.calibration import Calibration
from hcnet.inference.input_statistics import InputStatistics
from hcnet.kinetics.clustering import Clustering
from hcnet.kinetics.codebook import Codebook
from hcnet.nets.blocks import channels_last
from hcnet.nets.registry import build_network
from hcnet.prepare.settings import PrepareConfig
from hcnet.settings import InferenceSettings, NetworkSettings, Patch, Settings, StageSettings

JSON = "bundle.json"
SCHEMA = 2
LARGEST_FILE = 2 << 30
MOST_MEMBERS = 64
"""An ensemble is not larger; a file that says otherwise is refused before anything is read."""

WeightsForm = Literal["float32", "float16"]
Member = tuple[nn.Module, nn.Module]
"""HIPM and KIS-Net."""


class WeightsFile(Settings):
    """The weights of one network; the pattern leaves no way out of the bundle's folder."""

    file: Annotated[str, Field(pattern=r"^(hipm|kis)(-[0-9]{1,2})?\.safetensors$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class StoredNetwork(Settings):
    """One kind of network of a bundle, with the weights of each member, or of all."""

    network: NetworkSettings
    patch: Patch
    files: Annotated[tuple[WeightsFile, ...], Field(min_length=1, max_length=MOST_MEMBERS)]
    in_channels: int = 1
    out_channels: int


class BundleInfo(Settings):
    """The content of `bundle.json`.

    Schema 1 had one member, whose `file` and `sha256` stood in the place of `files`; it is read as
    an ensemble of one.
    """

    schema_version: Literal[2]
    name: str
    hcnet_version: str
    created: str
    licence: str
    training_data: dict[str, Any]
    scores: dict[str, Any]
    maps: Literal["soft", "hard"]
    prepare: PrepareConfig
    inference: InferenceSettings
    weights: WeightsForm = "float32"
    hipm: StoredNetwork
    kis: StoredNetwork
    clustering: dict[Literal["vqvae.safetensors", "vqvae.json", "codebook.json"], str]
    calibration: Calibration | None = None
    input_statistics: InputStatistics | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_schema_1(cls, content: Any) -> Any:
        if not isinstance(content, dict) or content.get("schema_version", 1) != 1:
            return content
        return content | {"schema_version": SCHEMA} | {
            key: _with_files(content[key]) for key in ("hipm", "kis") if key in content
        }  # fmt: skip

    @model_validator(mode="after")
    def _same_members(self) -> Self:
        if len(self.hipm.files) not in {1, len(self.kis.files)}:
            raise ValueError("hipm has neither one file nor as many as kis")
        for key, stored in (("hipm", self.hipm), ("kis", self.kis)):
            names = [weights.file for weights in stored.files]
            if len(set(names)) < len(names) or any(not name.startswith(key) for name in names):
                raise ValueError(f"the files of {key} are not its own, or one is named twice")
        return self


def _with_files(stored: Any) -> Any:
    """A network as schema 1 tells it, in the form of schema 2."""
    if not isinstance(stored, dict):
        return stored
    weights = {key: stored[key] for key in ("file", "sha256") if key in stored}
    rest = {key: value for key, value in stored.items() if key not in weights}
    return rest | {"files": [weights]}


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

    @property
    def members(self) -> int:
        """How many members the ensemble has."""
        return len(self.info.kis.files)

    @property
    def shares_hipm(self) -> bool:
        """Whether one HIPM serves several members."""
        return len(self.info.hipm.files) < self.members

    def hipm(self, number: int) -> nn.Module:
        """Build HIPM of one member with the stored weights, in evaluation mode.

        It is float32, also where the weights are stored as float16.

        Args:
            number: from 0.

        Raises:
            BundleError: a weights file is missing, altered or does not fit its network.
        """
        return _network(self.path, self.info.hipm, 0 if self.shares_hipm else number)

    def kis(self, number: int) -> nn.Module:
        """Build KIS-Net of one member; as `hipm`."""
        return _network(self.path, self.info.kis, number)

    def member(self, number: int) -> Member:
        """`hipm` and `kis` of one member."""
        return self.hipm(number), self.kis(number)

    def networks(self) -> list[Member]:
        """All members at once; `hipm` and `kis` take the memory of one network."""
        return [self.member(number) for number in range(self.members)]

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
        what = first["msg"].removeprefix("Value error, ")
        told = f"{where}: {what}" if where else what
        raise BundleError(f"{path}: {JSON} cannot be used: {told}.") from None
    files: dict[str, bytes] = {
        name: _checked(path, read, name, sha256) for name, sha256 in info.clustering.items()
    }
    return Bundle(path, info, Clustering.from_files(files, str(path)))


def write_bundle(
    path: Path,
    *,
    hipm: Iterable[nn.Module],
    kis: Iterable[nn.Module],
    hipm_network: Mapping[str, Any],
    kis_network: Mapping[str, Any],
    clustering: Clustering,
    weights: WeightsForm = "float32",
    **facts: Any,
) -> Bundle:
    """Write a bundle folder; `bundle.json` comes last, so that a folder with it is complete.

    Args:
        path: the folder.
        hipm: trained networks of stage 2, one for each member or one for all, read one after the
            other.
        kis: trained networks of stage 3 in the same order.
        hipm_network: `network`, `patch`, `out_channels` of stage 2.
        kis_network: the same of stage 3.
        clustering: stage 1.
        weights: "float16" halves the files and rounds the weights (11 bits). `scores` and
            `calibration` among the facts must then be those of the rounded weights, which
            `rounded` gives: what is distributed is what was scored.
        **facts: the remaining fields of `BundleInfo`.

    Raises:
        BundleError: the members do not pair up, or weights do not fit float16.
    """
    stored = {}
    for key, models, about in (("hipm", hipm, hipm_network), ("kis", kis, kis_network)):
        files = []
        for number, model in enumerate(models):
            name = f"{key}-{number}.safetensors"
            content = save_tensors(_tensors(model, weights, name))
            _write(path / name, content)
            files.append({"file": name, "sha256": hashlib.sha256(content).hexdigest()})
        stored[key] = {**about, "files": files}
    mappers, members = (len(stored[key]["files"]) for key in ("hipm", "kis"))
    if not 0 < members <= MOST_MEMBERS or mappers not in {1, members}:
        raise BundleError(
            f"{path}: needs 1 to {MOST_MEMBERS} KIS-Nets, and one HIPM or as many as KIS-Nets."
        )
    parts = clustering.to_files()
    for name, content in parts.items():
        _write(path / name, content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    given = {"schema_version": SCHEMA, "weights": weights, "clustering": digests}
    info = BundleInfo.model_validate({**facts, **stored, **given})
    write_text(path / JSON, info.model_dump_json(indent=2, by_alias=True) + "\n")
    return Bundle(path, info, clustering)


def network_facts(stage: StageSettings, in_channels: int, out_channels: int) -> dict[str, Any]:
    """What `write_bundle` is told of the network of a stage."""
    return {
        "network": stage.network,
        "patch": stage.patch,
        "in_channels": in_channels,
        "out_channels": out_channels,
    }


def rounded(network: nn.Module, weights: WeightsForm) -> nn.Module:
    """A copy of a network with the weights that a bundle of this form gives back.

    Raises:
        BundleError: weights do not fit float16.
    """
    copied = copy.deepcopy(network)
    copied.load_state_dict(_tensors(network, weights, "a network"))
    return copied


def _tensors(model: nn.Module, form: WeightsForm, name: str) -> dict[str, Tensor]:
    """The weights and buffers of a network as a bundle stores them."""
    found = {n: t.detach().cpu().contiguous().clone() for n, t in model.state_dict().items()}
    if form == "float32":
        return found
    halved = {n: t.half() if t.is_floating_point() else t for n, t in found.items()}
    if any(not torch.isfinite(t).all() for t in halved.values() if t.is_floating_point()):
        raise BundleError(f"{name}: its weights do not fit float16; store them as float32.")
    return halved


def _write(path: Path, content: bytes) -> None:
    with write_aside(path) as aside:
        aside.write_bytes(content)


def network_without_weights(stored: StoredNetwork) -> nn.Module:
    """A network of a bundle in evaluation mode, whose weights have shapes but no data."""
    with torch.device("meta"):
        network = build_network(
            stored.network.name, stored.in_channels, stored.out_channels, stored.network.options
        )
    return network.eval()


def _network(path: Path, stored: StoredNetwork, number: int) -> nn.Module:
    weights = stored.files[number]
    network = network_without_weights(stored)
    types = {name: tensor.dtype for name, tensor in network.state_dict().items()}
    content = _checked(path, _reader(path), weights.file, weights.sha256)
    try:
        tensors = load_tensors(content)
        del content  # as large as the tensors
        taken = {name: t.to(types.get(name, t.dtype)) for name, t in tensors.items()}
        # Not copied into weights that would first be drawn at random.
        network.load_state_dict(taken, assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(
            f"{path}: {weights.file} does not fit the network {stored.network.name}."
        ) from error
    return channels_last(network)


def _checked(path: Path, read: Callable[[str], bytes], name: str, sha256: str) -> bytes:
    content = read(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{path}: {name} was altered or damaged; get the bundle anew.")
    return content


def _reader(path: Path) -> Callable[[str], bytes]:
    """How to read a named file of the bundle; only names of the forms above are ever asked for."""
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
