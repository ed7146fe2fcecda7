"""The errors that a user can meet, each with the exit code of the command line.

Every message is one sentence that names the file or setting, what is wrong and what to do. The
first line of a class is also what the help and docs/cli.md say of its code.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class HcnetError(Exception):
    """Base of all errors that are the input's fault, not the program's."""

    exit_code = 1


class InputError(HcnetError):
    """A file or folder cannot be read or makes no sense."""

    exit_code = 3


class GeometryError(HcnetError):
    """Grids, orientations or spacings do not fit together."""

    exit_code = 4


class ConfigError(HcnetError):
    """A setting is unknown, out of range or contradicts another."""

    exit_code = 5


class BundleError(HcnetError):
    """A bundle is damaged, incomplete or of another version."""

    exit_code = 6


class MissingExtraError(HcnetError):
    """An optional dependency is needed for what was asked."""

    exit_code = 7


class TrainingError(HcnetError):
    """Training cannot go on."""

    exit_code = 8


class ServerError(HcnetError):
    """A server cannot be reached, refuses, or does not answer as the standard says."""

    exit_code = 9


INTERRUPTED = 130

EXIT_CODES: Mapping[int, str] = {
    0: "Done.",
    1: "A defect of hcnet, with a traceback; or standard output was closed before the end.",
    2: "The command itself is wrong: an unknown verb or option, or one is missing.",
    **{
        kind.exit_code: kind.__doc__ or ""
        for kind in (
            InputError,
            GeometryError,
            ConfigError,
            BundleError,
            MissingExtraError,
            TrainingError,
            ServerError,
        )
    },
    INTERRUPTED: "Interrupted (Ctrl-C, or SIGTERM).",
}
"""What each exit code of the command line means."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: "; did you mean NEAREST?", or a full stop.

    Args:
        name: as the user wrote it.
        known: the names that there are.
    """
    by_small = {each.lower(): each for each in known}
    nearest = get_close_matches(name.lower(), by_small, n=1)
    return f"; did you mean {by_small[nearest[0]]}?" if nearest else "."
