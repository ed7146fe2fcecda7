"""The viewer's page, as the build left it."""

from pathlib import Path

from hcnet.errors import InputError

STATIC = Path(__file__).parent / "static"
NEEDED = ("index.html", "viewer.js", "viewer.css")


def index_page() -> str:
    """The page.

    Raises:
        InputError: the viewer was not built.
    """
    check_built()
    return (STATIC / "index.html").read_text(encoding="utf-8")


def check_built() -> None:
    """Make sure that the viewer's files are there.

    Raises:
        InputError: they are not.
    """
    if not all((STATIC / name).is_file() for name in NEEDED):
        raise InputError(
            "the viewer's page is not built in this installation; run `make viewer` in a checkout "
            "of hcnet (it needs node and npm)."
        )
