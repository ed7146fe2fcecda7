"""`hcnet`: the verbs, and what becomes of errors.

Adding a verb is one file beside this one and one line in `VERBS`.
"""

import logging
import sys

import typer

from hcnet.cli.ablate import ablate
from hcnet.cli.box_to_mask import box_to_mask
from hcnet.cli.breast_mask import breast_mask
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
from hcnet.cli.train import train
from hcnet.errors import HcnetError

VERBS = (
    inspect,
    import_,
    segment,
    cluster,
    enhancement,
    train,
    evaluate,
    report,
    box_to_mask,
    breast_mask,
    phantom,
    networks,
    compare,
    ablate,
    choose_k,
)
INTERRUPTED = 130

app = typer.Typer(
    help="Tumour segmentation with heterogeneity clustering in non-contrast breast MRI. "
    "Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in VERBS:
    app.command(verb.__name__.strip("_").replace("_", "-"))(verb)  # `import` is a keyword
app.add_typer(export, name="export")
app.add_typer(pacs)


def main() -> None:
    """Run the command line; a user's error is one sentence and an exit code by its kind."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)  # libraries may lower the level of their own loggers
    handler.setFormatter(logging.Formatter("hcnet: %(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.addLevelName(logging.WARNING, "warning")
    try:
        app()
    except HcnetError as error:
        sys.stderr.write(f"hcnet: error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("hcnet: interrupted\n")
        sys.exit(INTERRUPTED)
