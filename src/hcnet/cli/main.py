"""`hcnet`: the verbs, and what becomes of errors.

Adding a verb is one file beside this one and one line in `VERBS`.
"""

import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from hcnet.cli.ablate import ablate
from hcnet.cli.box_to_mask import box_to_mask
from hcnet.cli.breast_mask import breast_mask
from hcnet.cli.bundle import bundle
from hcnet.cli.choose_k import choose_k
from hcnet.cli.cluster import cluster
from hcnet.cli.compare import compare
from hcnet.cli.enhancement import enhancement
from hcnet.cli.evaluate import evaluate
from hcnet.cli.export import export
from hcnet.cli.import_ import import_
from hcnet.cli.inspect import inspect
from hcnet.cli.networks import networks
from hcnet.cli.pacs import pacs
from hcnet.cli.phantom import phantom
from hcnet.cli.report import report
from hcnet.cli.segment import segment
from hcnet.cli.serve import serve
from hcnet.cli.train import train
from hcnet.cli.verb import LOOK, Verbs, add_verb
from hcnet.errors import EXIT_CODES, INTERRUPTED, HcnetError, InputError

VERBS: Mapping[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "Exams": (inspect, segment, serve, cluster, enhancement, breast_mask, report),
    "Cohorts": (import_, export, pacs, box_to_mask, phantom),
    "Training and scores": (train, bundle, evaluate, networks),
    "Studies": (compare, ablate, choose_k),
}
"""By the heading of the help; a `typer.Typer` has verbs of its own."""

_EPILOGUE = "\n".join(
    [
        "`hcnet VERB --help` shows a verb's options and examples.",
        "",
        "Exit codes:",
        *(
            textwrap.fill(meaning, 78, initial_indent=f"  {code:<3}  ", subsequent_indent=" " * 7)
            for code, meaning in EXIT_CODES.items()
        ),
    ]
)

app = typer.Typer(cls=Verbs, epilog=_EPILOGUE, pretty_exceptions_enable=False, **LOOK)
for _panel, _verbs in VERBS.items():
    for _verb in _verbs:
        if isinstance(_verb, typer.Typer):
            app.add_typer(_verb, rich_help_panel=_panel)
        else:
            add_verb(app, _verb, _panel)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hcnet {version('hcnet')}")
        raise typer.Exit


@app.callback()
def _hcnet(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tumour segmentation with heterogeneity clustering in non-contrast breast MRI.

    Research software, not a medical device.
    """


def main() -> None:
    """Run the command line; a user's error is one sentence and an exit code by its kind."""
    # Told to end, as by a scheduler, is Ctrl-C: what lies aside is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(prog_name="hcnet", standalone_mode=False)
    except typer.TyperException as error:
        _end(_usage(error), getattr(error, "exit_code", 2))
    except HcnetError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror}.", InputError.exit_code)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        # What lay aside is gone; told once more, the process ends without a word.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.stderr.write("hcnet: interrupted\n")
    sys.exit(code)


def _end(sentence: str, code: int) -> None:
    if "hcnet.cli.console" in sys.modules:
        from hcnet.cli.console import is_verbose

        if is_verbose():
            traceback.print_exc()
    sys.stderr.write(f"hcnet: error: {sentence}\n")
    sys.exit(code)


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command, and where to read on."""
    said = error.format_message()
    possible = getattr(error, "possibilities", None)
    if possible:
        said = f"{error.message}; did you mean {' or '.join(sorted(possible))}?"
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if option and context is not None and context.parent is None:
        said = f"{said.rstrip('.')}: a verb's options stand behind it, as in hcnet VERB {option}."
    help_ = "" if context is None else f" See {context.command_path} --help."
    return f"{said if said.endswith(('.', '?')) else said + '.'}{help_}"
