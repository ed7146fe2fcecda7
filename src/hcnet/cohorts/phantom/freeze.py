"""Which generator this is: a version, and a hash of all that decides how a case looks.

A benchmark is worth something only while its cases stay what they were. From the first recorded
benchmark on, a change of code or values is a new version: raise `version` in `parameters.toml` and
add a line to `frozen.toml` (a test compares the two).
"""

import hashlib
import tomllib
from importlib import resources

from hcnet.cohorts.phantom.parameters import FILE, frozen_parameters

PARTS = (
    "acquisition.py",
    "anatomy.py",
    "artefacts.py",
    "distributions.py",
    "fields.py",
    "generate.py",
    "kinetics.py",
    "layout.py",
    "lesion.py",
    "parameters.py",
    FILE,
    "physiology.py",
    "protocol.py",
    "reader.py",
    "shape.py",
    "signal.py",
    "tissue.py",
    "tubes.py",
)
"""Files that decide how a case looks; `write`, `facts` and `describe` do not."""

RECORD = "frozen.toml"


def generator_hash() -> str:
    """SHA-256 over the files of `PARTS`, with line ends as on Linux."""
    folder = resources.files("hcnet.cohorts.phantom")
    digest = hashlib.sha256()
    for name in PARTS:
        digest.update(name.encode())
        digest.update((folder / name).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def frozen_hashes() -> dict[int, str]:
    """The hash of every version that a recorded benchmark was made with."""
    text = (resources.files("hcnet.cohorts.phantom") / RECORD).read_text(encoding="utf-8")
    return {int(version): digest for version, digest in tomllib.loads(text).items()}


def identity() -> dict[str, str | int]:
    """Version and hash, as written beside a cohort."""
    return {"version": frozen_parameters().version, "hash": generator_hash()}
