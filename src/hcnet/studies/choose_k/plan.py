"""What a study of K fits: scales x methods x K x seeds."""

from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from hcnet.errors import ConfigError
from hcnet.kinetics.settings import Scale

Method = Literal["vqvae", "kmeans", "gmm", "bins"]

PAPER_K = 10
MOST_CODES = 254

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True)
class Fit:
    """One clustering of a study; `seed` counts from 0 and is added to the study's own."""

    scale: Scale
    method: Method
    k: int
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.scale}_{self.method}_k{self.k:03d}_seed{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What to fit, and on how much.

    Attributes:
        ks: numbers of codes, rising.
        scales: normalisations of curves.
        methods: ways to cluster; `bins` takes part under `relative` only, as it needs amplitudes.
        seeds: fits of each, with seeds from 0.
        max_points: most curves in the training sample.
        epochs: of the VQ-VAE.
        cases: take the first so many of the cohort; None takes all.
    """

    ks: tuple[int, ...]
    scales: tuple[Scale, ...] = ("minmax", "relative")
    methods: tuple[Method, ...] = ("vqvae", "kmeans", "gmm")
    seeds: int = 1
    max_points: int = 50_000
    epochs: int = 30
    cases: int | None = None

    def fits(self) -> list[Fit]:
        """All fits, scale by scale."""
        return [
            Fit(scale, method, k, seed)
            for scale in self.scales
            for method in self.methods
            if method != "bins" or scale == "relative"
            for k in self.ks
            for seed in range(self.seeds)
        ]


def parse_ks(text: str) -> tuple[int, ...]:
    """Numbers of codes from "2..16", "4,8,12" or a mixture of both.

    Raises:
        ConfigError: not such a list, a range that falls, or a number below 2 or above 254.
    """
    ks: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.partition("..")
        try:
            low, high = int(first), int(last) if dots else int(first)
        except ValueError:
            raise ConfigError(
                f"--k {text}: {part.strip() or 'an empty entry'} is not a number of codes; write "
                "2..16 or 4,8,12."
            ) from None
        if not 2 <= low <= high <= MOST_CODES:
            raise ConfigError(
                f"--k {text}: numbers of codes rise and lie between 2 and {MOST_CODES}; write "
                "2..16 or 4,8,12."
            )
        ks.update(range(low, high + 1))
    return tuple(sorted(ks))


def parse_scales(text: str) -> tuple[Scale, ...]:
    """Scales from a comma-separated list.

    Raises:
        ConfigError: an unknown one.
    """
    return _words("--scales", text, get_args(Scale))


def parse_methods(text: str, scales: tuple[Scale, ...]) -> tuple[Method, ...]:
    """Methods from a comma-separated list.

    Raises:
        ConfigError: an unknown one, or `bins` without the scale that it needs.
    """
    methods: tuple[Method, ...] = _words("--methods", text, get_args(Method))
    if "bins" in methods and "relative" not in scales:
        raise ConfigError(
            "--methods bins: needs relative enhancement; add relative to --scales or leave it out."
        )
    return methods


def _words(option: str, text: str, known: tuple[_Word, ...]) -> tuple[_Word, ...]:
    """The known words that the text lists, each once, in its order."""
    chosen: list[_Word] = []
    for part in text.split(","):
        match = [word for word in known if word == part.strip().lower()]
        if not match:
            raise ConfigError(
                f"{option} {text}: there is no {part.strip() or 'empty entry'}; choose from "
                f"{', '.join(known)}."
            )
        if match[0] not in chosen:
            chosen.append(match[0])
    return tuple(chosen)
