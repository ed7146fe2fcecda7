"""The errors that a user can meet, each with the exit code of the command line.

Every message is one sentence that names the file or setting, what is wrong and what to do.
"""


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
