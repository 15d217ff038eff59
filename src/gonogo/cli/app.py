"""The command line as typer reads it: one file a command, in `gonogo.cli.commands`.

Commands only note what was asked for, so that errors of the work itself are none of typer's business.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import typer

from gonogo.cli import commands
from gonogo.pool.pool import Pool

Action = Callable[[], int]
TITLE = "Is this experiment code ready to run, and would its result mean anything?"


@dataclass
class Chosen:
    """What the command line asked for, once typer has read it.

    `started` is a pool that was started ahead of time; `arguments` are the words that were typed.
    """

    started: Pool | None
    debug: bool = False
    arguments: Sequence[str] = ()
    action: Action | None = None

    @property
    def pool(self) -> Pool:
        """Processes that judge: those started ahead of time, else new ones."""
        if self.started is None:
            self.started = Pool(1, self.debug)
        return self.started


def names() -> list[str]:
    """The names of all commands."""
    return [entry.name.replace("_", "-") for entry in pkgutil.iter_modules(commands.__path__)]


def build(arguments: Sequence[str]) -> typer.Typer:
    """The application; with the one command that is asked for, or with all where help is wanted."""
    app = typer.Typer(
        name="gonogo",
        help=TITLE,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    known = names()
    for name in [arguments[0]] if arguments and arguments[0] in known else known:
        module = import_module(f"{commands.__name__}.{name.replace('-', '_')}")
        if hasattr(module, "group"):  # a command with commands of its own
            app.add_typer(module.group, name=name)
        else:
            app.command(name)(module.command)
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Is this experiment code ready to run, and would its result mean anything?"""
    if version:
        context.obj.action = print_version
        raise typer.Exit


def print_version() -> int:
    """Print the version; for `gonogo --version`."""
    from gonogo.system.version import __version__

    print(f"gonogo {__version__}")
    return 0
