"""The entry point of the command line.

It starts what takes long first, and turns whatever goes wrong into one sentence and an exit code.

What it needs is imported inside the functions, so that `gonogo --version` is there at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from gonogo.model.errors import GonogoError, StageError

if TYPE_CHECKING:
    from gonogo.pool.pool import Pool

Action = Callable[[], int]
USAGE, UNDECIDED, PIPE_CLOSED, INTERRUPTED, TERMINATED = 2, 3, 141, 130, 143


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminate)
    arguments = sys.argv[1:]
    guarded(lambda: _run(arguments), debug="--debug" in arguments)


def _terminate(*_: object) -> NoReturn:
    sys.exit(TERMINATED)  # an exception, so that children are ended and temporary files removed on the way out


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        from gonogo.system.version import __version__

        print(f"gonogo {__version__}")
        return 0
    pool = None
    try:
        if arguments[:1] == ["check"] and not {"--help", "-h"} & set(arguments):
            from gonogo.pool.pool import Pool

            # Before even the command line is parsed: the process that judges, and the one that composes, have much to import.
            pool = Pool(1, debug="--debug" in arguments)
        return parse(arguments, pool)()
    finally:
        if pool is not None:
            pool.close()


def parse(arguments: list[str], pool: Pool | None) -> Action:
    """Return what the command line asks for.

    Wrong use and `--help` end here: typer prints the message and exits.
    """
    from gonogo.cli.app import Chosen, build

    chosen = Chosen(pool, debug="--debug" in arguments, arguments=arguments)
    try:
        build(arguments)(arguments, obj=chosen)
    except SystemExit as end:
        if end.code or chosen.action is None:
            raise
    assert chosen.action is not None
    return chosen.action


def guarded(action: Action, debug: bool) -> NoReturn:
    """Run a command and exit with its code; whatever goes wrong becomes one sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file name may hold anything
    try:
        try:
            code = action()
        finally:
            sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it closes stdout: give it somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        print("gonogo: stopped", file=sys.stderr)
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

        print(plain.block(traceback.format_exc()), file=sys.stderr)
    print(f"gonogo: {plain.line(sentence)}", file=sys.stderr)
    sys.exit(code)
