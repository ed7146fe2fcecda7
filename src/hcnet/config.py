"""Config: every setting of a training run, read from a preset, a TOML file and overrides."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from hcnet.errors import ConfigError
from hcnet.kinetics.settings import KineticsConfig
from hcnet.prepare.settings import PrepareConfig
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
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="auto: bf16 where the hardware computes in it"
    )
    loader_workers: int = Field(1, ge=0, description="processes that cut patches; 0: in line")
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
        file: a TOML file; it may say `extends = "<preset>"` and then replaces `preset`.
        overrides: "section.name=value" with the value in TOML, e.g. `kinetics.k=6`.

    Raises:
        ConfigError: an unknown preset, section or name, or a value that does not fit.
    """
    values = _preset(preset)
    if file is not None:
        own = _parse(file)
        base = own.pop("extends", None)
        values = _merged(_preset(str(base)) if base else values, own)
    for override in overrides:
        values = _merged(values, _parse_override(override))
    return config_from(values, source=str(file) if file else f"preset {preset}")


def config_from(values: Mapping[str, Any], source: str) -> Config:
    """Check plain values, e.g. those of a run's `config.json`.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{source}: setting {where}: {first['msg']}.") from None


def _preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise ConfigError(f"there is no preset {name}; there are: {', '.join(preset_names())}.")
    text = (resources.files("hcnet") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    base = values.pop("extends", None)
    return _merged(_preset(base), values) if base else values


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as TOML ({error}).") from error


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
