"""One budget for every network of a study."""

from collections.abc import Sequence

from hcnet.config import Config
from hcnet.errors import ConfigError

BUDGET = ("epochs", "steps_per_epoch", "batch_size", "patch")
"""Settings that stages 2 and 3 must agree on, so that no network has a budget of its own."""

OPTIMISATION = ("lr", "schedule", "weight_decay", "clip_gradient")
"""The same, where networks have no recipes of their own."""


def updates_of(config: Config, shared: Sequence[str] = BUDGET) -> int:
    """Updates of each network.

    Args:
        config: settings.
        shared: settings that stages 2 and 3 must agree on.

    Raises:
        ConfigError: they do not, or the number of updates depends on the cases.
    """
    for name in shared:
        hipm, kis = getattr(config.hipm, name), getattr(config.kis, name)
        if hipm != kis:
            raise ConfigError(
                f"hipm.{name} is {hipm} and kis.{name} is {kis}; a study gives every network "
                "the same budget, so set both alike."
            )
    if config.kis.steps_per_epoch is None:
        raise ConfigError(
            "kis.steps_per_epoch is not set, and networks with more cases would train longer; set "
            "it and hipm.steps_per_epoch to the same number."
        )
    return config.kis.epochs * config.kis.steps_per_epoch
