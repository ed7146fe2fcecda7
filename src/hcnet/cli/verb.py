"""How every verb reads: its usage line, its help with examples, and the options that all have."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

LOOK: dict[str, Any] = {
    "rich_markup_mode": None,  # plain help is readable at 80 columns, and rich is slow to import
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}
"""What every `typer.Typer` of the command line is made with."""

Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Also tell all options, log messages and tracebacks."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Tell nothing but results, warnings and errors.")
]

_EXAMPLES = "\nExamples:\n"
_WIDEST_NAME = 24
# In place of blanks and hyphens at which a line must not break, until the help is laid out.
_TIED = {" ": "\N{NO-BREAK SPACE}", "-": "\N{NON-BREAKING HYPHEN}"}


class Verb(TyperCommand):
    """A command whose docstring ends with `Examples:`, a command a line.

    Attributes:
        examples: those lines, as written; a backslash at the end joins two.
    """

    def __init__(self, name: str | None, *, help: str | None = None, **rest: Any) -> None:  # noqa: A002
        text, _, examples = (help or "").partition(_EXAMPLES)
        super().__init__(name, help=text.rstrip(), **rest)
        self.examples = inspect.cleandoc(examples).splitlines()

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments, then the options that must be given, then the word for all others."""
        arguments, required = [], []
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                name = _argument(param)
                arguments.append(name if param.required else f"[{name}]")
            elif param.required:
                required.append(f"{max(param.opts, key=len)} {_metavar(param, ctx)}")
        return [*arguments, *required, "[OPTIONS]"]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """What the verb does."""
        del ctx
        _text(formatter, self.help)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, required ones first."""
        params: list[Any] = [*self.get_params(ctx)]
        arguments = [p for p in params if p.param_type_name == "argument"]
        options = [p for p in params if p.param_type_name == "option" and not p.hidden]
        options.sort(key=lambda p: not p.required)
        named = [(_argument(p), p.get_help_record(ctx)[1]) for p in arguments]
        _section(formatter, "Arguments", named)
        _section(formatter, "Options", [p.get_help_record(ctx) for p in options])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The examples."""
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"  {line}\n")


class Verbs(TyperGroup):
    """A group of verbs; an epilogue's lines stay as they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without a verb the help is shown on standard error, and the command fails."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the program's name."""
        del ctx
        return ["VERB ...", "[OPTIONS]"]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """What the group is for."""
        del ctx
        _text(formatter, self.help)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every verb with its first sentence, under the heading it is registered with."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            panel = getattr(command, "rich_help_panel", None)
            panels.setdefault(panel if isinstance(panel, str) else "Verbs", []).append(
                (name, _first_sentence(command.help or ""))
            )
        for title, rows in panels.items():
            _section(formatter, title, rows)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The verbs first: who asks for help here looks for one."""
        self.format_commands(ctx, formatter)
        params: list[Any] = [*self.get_params(ctx)]
        _section(formatter, "Options", [p.get_help_record(ctx) for p in params if not p.hidden])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The epilogue, line by line."""
        del ctx
        if self.epilog:
            formatter.write(f"\n{inspect.cleandoc(self.epilog)}\n")


def add_verb(app: typer.Typer, verb: Callable[..., None], panel: str | None = None) -> None:
    """Make a function a verb of `app`, with `-v` and `-q` beside its own options.

    Args:
        app: a `typer.Typer` made with `LOOK`.
        verb: its name is the verb's, its docstring the help.
        panel: heading of the help under which it is listed.
    """
    name = verb.__name__.strip("_").replace("_", "-")  # `import` is a keyword
    app.command(name, cls=Verb, rich_help_panel=panel)(_with_voice(verb))


def _with_voice(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with `--verbose` and `--quiet`, which the console heeds."""

    @functools.wraps(verb)
    def told(*, verbose: bool, quiet: bool, **given: Any) -> None:
        from hcnet.cli.console import Voice, speak

        if verbose and quiet:
            raise typer.BadParameter("give --verbose or --quiet, not both.")
        speak(Voice.VERBOSE if verbose else Voice.QUIET if quiet else Voice.PLAIN, given)
        verb(**given)

    extra = {"verbose": Verbose, "quiet": Quiet}
    signature = inspect.signature(verb)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in extra.items()
    ]
    told.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *more]
    )
    told.__annotations__ = {**verb.__annotations__, **extra}
    return told


def _argument(param: Any) -> str:
    name = param.metavar or param.name.strip("_").upper()
    return name if param.nargs == 1 or name.endswith("...") else f"{name}..."


def _metavar(param: Any, ctx: Any) -> str:
    """What stands for an option's value, such as `OUT` or `breast|tumour`."""
    name: str = param.get_help_record(ctx)[0]
    return name.rpartition(" ")[2].strip("<>")


def _section(formatter: Any, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(
                [
                    (name.replace("<", "").replace(">", ""), _tied(_marks(text)))
                    for name, text in rows
                ],
                col_max=_WIDEST_NAME,
            )
        _untie(formatter)


def _text(formatter: Any, text: str | None) -> None:
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(_tied(text or ""))
    _untie(formatter)


def _marks(text: str) -> str:
    """Ranges in words, and without those that go without saying."""
    text = re.sub(r"([\d.]+)<=x<=([\d.]+)", r"\1 to \2", text)
    text = re.sub(r"; x>=[01](\.0)?\]", "]", text)
    return re.sub(r"x>=([\d.]+)", r"at least \1", text)


def _tied(text: str) -> str:
    """The text with words, commands and marks in brackets that are not torn at a line's end."""
    text = re.sub(r"(?<=\w)-(?=\w)", _TIED["-"], text)
    return re.sub(r"`[^`]*`|\[[^\]]*\]$", lambda found: found[0].replace(" ", _TIED[" "]), text)


def _untie(formatter: Any) -> None:
    for sign, tied in _TIED.items():
        formatter.buffer[:] = [piece.replace(tied, sign) for piece in formatter.buffer]


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())
