"""Config: every setting of a training run, read from a preset, a TOML file and overrides."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from hcnet.errors import ConfigError, InputError, did_you_mean
from hcnet.files import read_json
from hcnet.kinetics.settings import KineticsConfig
from hcnet.nets.registry import check_network
from hcnet.prepare.settings import PrepareConfig
from hcnet.runtime import Precision
from hcnet.settings import (
    AugmentSettings,
    HipmSettings,
    InferenceSettings,
    KisSettings,
    Settings,
)


class Config(Settings):
    """All settings of a run; the defaults are preset `paper`."""

    seed: int = 0
    validation_share: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.2, description="patients kept for validation (paper: 8:2)"
    )
    precision: Literal["auto"] | Precision = Field(
        "32-true", description="auto: bf16 where the hardware computes in it"
    )
    loader_workers: int = Field(1, ge=0, description="threads that cut patches ahead; 0: in line")
    prepare: PrepareConfig = PrepareConfig()
    kinetics: KineticsConfig = KineticsConfig()
    hipm: HipmSettings = HipmSettings()
    kis: KisSettings = KisSettings()
    augment: AugmentSettings = AugmentSettings()
    inference: InferenceSettings = InferenceSettings()
    networks: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="options of the networks of `hcnet compare`; what is not named has its "
        "published size, and resunet the width that KIS-Net has inside",
    )


def preset_names() -> list[str]:
    """The presets that come with the package."""
    folder = resources.files("hcnet") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[-5:] == ".toml")


def load_config(
    preset: str = "paper", file: Path | None = None, overrides: Sequence[str] = ()
) -> Config:
    """Read settings: the preset first, then the file over it, then the overrides.

    Args:
        preset: a name of `preset_names`.
        file: a TOML file; it may say `extends = "<preset>"` and then replaces `preset`. Or the
            `config.json` of a run, which says everything and so replaces `preset`, too.
        overrides: "section.name=value" with the value in TOML, e.g. `kinetics.k=6`.

    Raises:
        ConfigError: an unknown preset, section or name, or a value that does not fit.
    """
    values = _preset(preset)
    if file is not None and file.suffix == ".json":
        values = _parse_json(file)
    elif file is not None:
        own = _parse(file)
        base = own.pop("extends", None)
        values = _merged(_preset(str(base)) if base else values, own)
    for override in overrides:
        values = _merged(values, _parse_override(override))
    return config_from(values, str(file) if file else f"preset {preset}", overrides)


def config_from(values: Mapping[str, Any], source: str, overrides: Sequence[str] = ()) -> Config:
    """Check plain values, e.g. those of a run's `config.json`.

    Args:
        values: settings by name, tables in tables.
        source: where they are from, for the sentence about a wrong one.
        overrides: those that are in `values` already; a wrong one of them is named instead.

    Raises:
        ConfigError: as `load_config`; an unknown name comes with the nearest one.
    """
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        for override in overrides:
            if f"{override.partition('=')[0].strip()}.".startswith(f"{where}."):
                source = f"--set {override}"
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"{source}: there is no setting {where}{_nearest_setting(where)}"
            ) from None
        raise ConfigError(f"{source}: setting {where}: {first['msg']}.") from None
    for name in (config.hipm.network.name, config.kis.network.name, *config.networks):
        check_network(name)
    return config


def setting_names(settings: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """All settings as `--set` writes them, such as `kis.lr`."""
    for name, field in settings.model_fields.items():
        own = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, own + ".")
        else:
            yield own


def _nearest_setting(name: str) -> str:
    """The end of a sentence about an unknown setting; one in another section is found as well."""
    last = name.rpartition(".")[2]
    elsewhere = [known for known in setting_names() if known.rpartition(".")[2] == last]
    if elsewhere:
        return f"; did you mean {' or '.join(elsewhere)}?"
    sections = {known.rpartition(".")[0] for known in setting_names()} - {""}
    return did_you_mean(name, [*sections, *setting_names()])


def _preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        known = preset_names()
        raise ConfigError(
            f"there is no preset {name}; there are: {', '.join(known)}{did_you_mean(name, known)}"
        )
    text = (resources.files("hcnet") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    base = values.pop("extends", None)
    return _merged(_preset(base), values) if base else values


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as TOML ({error}).") from error


def _parse_json(file: Path) -> dict[str, Any]:
    try:
        values = read_json(file)
    except InputError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: is no config.json of a run.")
    return values


def _parse_override(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        pass
    name, _, value = text.partition("=")
    try:  # a bare word is taken as a string, so that `kinetics.scale=relative` needs no quotes
        return tomllib.loads(f'{name}="{value.strip()}"')
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"--set {text}: write it as section.name=value.") from None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; another network brings its own options."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            renamed = key == "network" and value.get("name", below.get("name")) != below.get("name")
            merged[key] = dict(value) if renamed else _merged(below, value)
        else:
            merged[key] = value
    return merged
