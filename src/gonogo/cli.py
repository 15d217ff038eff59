"""The command line. Thin: what it needs is imported inside the functions, so that `gonogo --version` is there at once."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from gonogo.errors import GonogoError, StageError, UsageError

if TYPE_CHECKING:
    from gonogo.batch import Pool

USAGE, UNDECIDED, PIPE_CLOSED, INTERRUPTED, TERMINATED = 2, 3, 141, 130, 143
STDIN = "-"


class Format(StrEnum):
    """How a verdict is written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


class ListFormat(StrEnum):
    """How a list is written."""

    TEXT = "text"
    JSON = "json"


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminate)
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from gonogo import __version__

        _guarded(lambda: print(f"gonogo {__version__}"), debug=False)
    else:
        _guarded(lambda: _run(arguments), debug="--debug" in arguments)


def _terminate(*_: object) -> NoReturn:
    sys.exit(TERMINATED)  # an exception, so that children are ended and temporary files removed on the way out


def _run(arguments: list[str]) -> None:
    pool = None
    try:
        if arguments[:1] == ["check"] and "--help" not in arguments:
            from gonogo.batch import Pool

            # Before even the command line is parsed: the process that judges, and the one that composes, have much to import.
            pool = Pool(1, debug="--debug" in arguments)
        _app(pool)(arguments)
    finally:
        if pool is not None:
            pool.close()


def _guarded(action: Callable[[], object], debug: bool) -> None:
    """Run a command; whatever goes wrong becomes one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file name may hold anything
    try:
        try:
            action()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it closes stdout: give it somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except GonogoError as error:
        _fail(str(error), UNDECIDED if isinstance(error, StageError) else USAGE, debug)
    except OSError as error:
        _fail(f"The operating system refused: {error}.", UNDECIDED, debug)
    except Exception as error:
        _fail(f"gonogo itself failed ({type(error).__name__}: {error}); run it again with --debug for the details.", UNDECIDED, debug)


def _fail(sentence: str, code: int, debug: bool) -> NoReturn:
    from gonogo.report import plain

    if debug:
        import traceback

        traceback.print_exc()
    print(f"gonogo: {plain.line(sentence)}", file=sys.stderr)
    sys.exit(code)


def _app(pool: Pool | None) -> Callable[[list[str]], Any]:
    """The typer application, with the pool bound to `check`."""
    import typer

    app = typer.Typer(
        name="gonogo",
        help="Is this experiment code ready to run, and would its result mean anything?",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
        pass  # `--version` alone never comes here

    @app.command()
    @_plain_errors
    def check(
        paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Folders or bundles (JSON) of experiments; - is a bundle on stdin.")],
        plan: Annotated[list[str] | None, typer.Option(metavar="FILE", help="The research plan; with several PATHs, once for each.")] = None,
        contract: Annotated[str | None, typer.Option(metavar="NAME", help="Name or TOML file of the contract (default: detected).")] = None,
        format: Annotated[Format, typer.Option("--format", help="How to write the verdict.")] = Format.TEXT,
        select: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Only these rules: ids, families or slugs.")] = None,
        ignore: Annotated[list[str] | None, typer.Option(metavar="RULES", help="Not these rules.")] = None,
        jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes to use (default: one a core).")] = None,
        timeout: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Time limit for one experiment.")] = 60.0,
        output: Annotated[str | None, typer.Option(metavar="FILE", help="Write the report there instead.")] = None,
        debug: Annotated[bool, typer.Option(help="Show tracebacks of gonogo's own failures.")] = False,
    ) -> None:
        """Judge experiments: GO (exit code 0), NO-GO (1) or could not decide (3)."""
        from gonogo.command_check import Request, run

        assert pool is not None
        request = Request(tuple(paths), tuple(plan or ()), contract, format.value, _names(select), _names(ignore), jobs, timeout, output, debug)
        raise typer.Exit(run(request, pool))

    @app.command()
    @_plain_errors
    def rules(format: Annotated[ListFormat, typer.Option("--format", help="How to write the list.")] = ListFormat.TEXT) -> None:
        """List the rules."""
        from gonogo.report.catalogue import print_rules

        print_rules(format.value)

    @app.command()
    @_plain_errors
    def explain(rule: Annotated[str, typer.Argument(metavar="ID", help="Id or slug of a rule.")]) -> None:
        """Explain a rule, with an example."""
        from gonogo.report.catalogue import print_rule

        print_rule(rule)

    @app.command()
    @_plain_errors
    def contracts() -> None:
        """List the contracts that come with gonogo."""
        from gonogo.report.catalogue import print_contracts

        print_contracts()

    @app.command()
    @_plain_errors
    def schema() -> None:
        """Print the JSON schema of a verdict."""
        from gonogo.report.json import shipped_schema

        print(shipped_schema(), end="")

    return app


def _plain_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Bring a command's errors past typer, which would answer some of them in its own way."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except (OSError, KeyboardInterrupt, GonogoError) as error:
            raise _Carried(error) from error

    return call


class _Carried(Exception):
    """Holds an error of a command until typer is out of the way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


def _names(values: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())
