"""The bundles that come with the package, and how a bundle is named."""

from importlib import resources
from pathlib import Path

from hcnet.errors import BundleError, did_you_mean

DEFAULT = "ispy1-small"
"""What `hcnet segment` takes unless told otherwise."""

_FOLDER = "bundles"


def built_in_bundles() -> dict[str, Path]:
    """Folder of each bundle that comes with the package, by name."""
    root = Path(str(resources.files("hcnet"))) / _FOLDER
    return {path.parent.name: path.parent for path in sorted(root.glob("*/bundle.json"))}


def find_bundle(bundle: str | Path) -> Path:
    """A bundle by its path, or by the name of one that comes with the package.

    A path wins, so that a folder of the user's own is never passed over.

    Raises:
        BundleError: there is neither.
    """
    path = Path(bundle)
    if path.exists():
        return path
    there = built_in_bundles()
    if str(bundle) in there:
        return there[str(bundle)]
    known = ", ".join(there) or "none"
    raise BundleError(
        f"{bundle}: there is no such folder or zip, and no bundle of that name comes with hcnet "
        f"(there are: {known}){did_you_mean(str(bundle), there)}"
    )
