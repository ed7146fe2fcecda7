"""How a server is set up."""

import sys
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30


@dataclass(frozen=True)
class ServerSettings:
    """What `create_app` needs.

    Attributes:
        workspace: folder of uploads, jobs and results; made when something is written.
        results: folders that `hcnet segment` wrote, shown beside those of the workspace.
        cohorts: cohorts whose cases are listed, read in place.
        bundle: what segments; None leaves segmenting out.
        token: what a request must show; None for loopback without one.
        extra_hosts: names in the Host header that are ours, beside loopback and plain addresses.
        largest_upload: bytes of one exam.
        child: command that does the work of a job, given the kind of work and the order file.
    """

    workspace: Path
    results: tuple[Path, ...] = ()
    cohorts: tuple[Path, ...] = ()
    bundle: Path | None = None
    token: str | None = None
    extra_hosts: frozenset[str] = frozenset()
    largest_upload: int = 4 * GIB
    child: tuple[str, ...] = (sys.executable, "-m", "hcnet.server.child")
