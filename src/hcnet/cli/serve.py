"""`hcnet serve`: results and exams in the browser, on this computer."""

from pathlib import Path
from typing import Annotated

import typer

from hcnet.cli.options import BundleChoice
from hcnet.inference.built_in import DEFAULT


def serve(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FOLDER...",
            help="Results of `hcnet segment`, a folder of such, or a cohort; may be left out.",
        ),
    ] = None,
    bundle: BundleChoice = DEFAULT,
    look_only: Annotated[
        bool, typer.Option("--look-only", help="Segment nothing; only show what is there.")
    ] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            metavar="FOLDER",
            help="Where uploads and new results are kept; else hcnet-workspace in the one result "
            "given, or here.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="0 takes any free port.")
    ] = 8765,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Other than loopback: only with a token.")
    ] = "127.0.0.1",
    token: Annotated[
        bool, typer.Option("--token", help="Want a token on loopback too (shared computers).")
    ] = False,
    max_upload_gb: Annotated[
        float, typer.Option("--max-upload-gb", metavar="GB", min=0.001, help="Largest exam taken.")
    ] = 4.0,
) -> None:
    """Show results and exams in the browser, segment new ones, correct masks.

    The page and its API answer on this computer only, unless --host says otherwise. The token is
    new each time, or that of HCNET_SERVE_TOKEN.

    Examples:
        hcnet serve out
        hcnet serve cohort -b run/bundle
        hcnet serve out --look-only
        hcnet serve -b bundle.zip --workspace work --port 9000
    """
    from hcnet.cli.console import say, show
    from hcnet.errors import MissingExtraError
    from hcnet.inference.built_in import find_bundle

    try:
        from hcnet.server.page import check_built
        from hcnet.server.places import sort_places
        from hcnet.server.serve import serve as run_server
        from hcnet.server.settings import ServerSettings
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"hcnet serve needs {error.name}; pip install 'hcnet[serve]'."
        ) from None

    check_built()
    places = sort_places(folders or [], workspace)
    settings = ServerSettings(
        workspace=places.workspace,
        results=places.results,
        cohorts=places.cohorts,
        bundle=None if look_only else find_bundle(bundle).resolve(),
        largest_upload=round(max_upload_gb * 1e9),
    )

    def announce(address: str) -> None:
        show(address)
        say(f"Workspace: {places.workspace}. Ctrl-C ends the server.")

    run_server(settings, host, port, announce, ask_token=token)
