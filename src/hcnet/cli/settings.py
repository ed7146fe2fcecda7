"""The settings of a run as a verb reads them, told before the work begins."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hcnet.config import Config


def read_settings(
    preset: str, file: Path | None, overrides: Sequence[str] | None, kept: Path | None
) -> "Config":
    """Read settings as `hcnet.config.load_config` does, and say all that is in effect.

    Args:
        preset: where to start.
        file: TOML or JSON over it.
        overrides: single settings over both.
        kept: the file that will hold them; None where nothing will be written.

    Raises:
        ConfigError: as `hcnet.config.load_config`.
    """
    from hcnet.cli.console import say
    from hcnet.config import load_config

    settings = load_config(preset, file, overrides or ())
    origin = [f"preset {preset}", *([str(file)] if file else []), *(overrides or ())]
    say(f"settings: {', '.join(origin)}{f'; kept in {kept}' if kept else ''}")
    for line in setting_lines(settings.model_dump(mode="json", by_alias=True)):
        say(f"  {line}")
    return settings


def setting_lines(values: Mapping[str, Any]) -> list[str]:
    """A line a section, with the names that `--set` takes; first those of no section."""
    plain, lines = [], []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            told = " ".join(f"{key}={_value(own)}" for key, own in _flat(value))
            lines.append(f"{name}: {told}")
        elif not isinstance(value, Mapping):
            plain.append(f"{name}={_value(value)}")
    return [" ".join(plain), *lines]


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += [(f"{key}.{below}", own) for below, own in _flat(value)]
        else:
            pairs.append((key, value))
    return pairs


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
