"""What the folders given to `hcnet serve` are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hcnet.cohorts.cohort import is_cohort
from hcnet.errors import InputError
from hcnet.server.results import is_result
from hcnet.server.workspace import is_workspace

DEFAULT = "hcnet-workspace"


@dataclass(frozen=True)
class Places:
    """The folders, sorted by what they are, as absolute paths."""

    workspace: Path
    results: tuple[Path, ...]
    cohorts: tuple[Path, ...]


def sort_places(paths: Sequence[Path], workspace: Path | None) -> Places:
    """Tell results of `hcnet segment`, cohorts and an earlier workspace apart.

    Args:
        paths: each is a result, a folder of results, a cohort, or a workspace.
        workspace: as the user wishes; None takes the one among `paths`, or `hcnet-workspace` in the
            only result given, or else in the current folder.

    Raises:
        InputError: a path is missing or none of these, or several workspaces are given.
    """
    results: list[Path] = []
    cohorts: list[Path] = []
    workspaces = [] if workspace is None else [workspace]
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path}: there is no such folder.")
        inner = [folder for folder in sorted(path.iterdir()) if is_result(folder)]
        if is_result(path):
            results.append(path)
        elif is_workspace(path):
            workspaces.append(path)
        elif is_cohort(path):
            cohorts.append(path)
        elif inner:
            results += inner
        else:
            raise InputError(
                f"{path}: is neither what `hcnet segment` writes, nor a folder of such, nor a "
                "cohort (images/CASE/)."
            )
    if len(workspaces) > 1:
        raise InputError(f"{workspaces[1]}: is a second workspace; give one.")
    only = len(paths) == 1 and bool(results) and is_result(paths[0])
    chosen = workspaces[0] if workspaces else (paths[0] if only else Path()) / DEFAULT
    return Places(
        workspace=chosen.resolve(),
        results=tuple(path.resolve() for path in results),
        cohorts=tuple(path.resolve() for path in cohorts),
    )
