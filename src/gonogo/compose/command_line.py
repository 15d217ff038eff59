"""Hydra's command line: which of its words are overrides, and which are Hydra's own options.

The grammar is that of argparse with the options that Hydra declares, so argparse reads it; `tests/test_command_line.py` holds the result
against Hydra's own parser. (Importing Hydra here would cost more than all else that a check does.)
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

# With these Hydra shows something and does not run the program.
SHOWING = ("help", "hydra_help", "cfg", "info", "shell_completion")
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
MODES = (("--run", "-r"), ("--multirun", "-m"), ("--shell-completion", "-sc"))


class CommandLineError(Exception):
    """Hydra refuses the command line before it looks at an override."""


@dataclass(frozen=True)
class CommandLine:
    """What the words behind a program's name tell Hydra.

    Attributes:
        overrides: in their order.
        places: which of the words they are, by index.
        config_path: what `--config-path` says, None if it is not given; so for the next two.
        multirun: every combination of the values that a sweep names is run.
        runs: the program is run; false where Hydra only shows something.
        rerun: the job is repeated from a file; the overrides are those of that file.
    """

    overrides: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    config_path: str | None = None
    config_name: str | None = None
    config_dir: str | None = None
    multirun: bool = False
    runs: bool = True
    rerun: bool = False

    def words(self) -> list[str]:
        """A command line that says the same."""
        options = {"--config-path": self.config_path, "--config-name": self.config_name, "--config-dir": self.config_dir}
        given = [f"{name}={value}" for name, value in options.items() if value is not None]
        return [*given, *(["--multirun"] if self.multirun else []), *self.overrides]


class _Word(str):
    """A word that knows its place, which argparse hands back as it is."""

    __slots__ = ("place",)
    place: int


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandLineError(message)


class _StoppedError(Exception):
    """`--version` was met: whatever follows is not looked at."""


class _Version(argparse.Action):
    def __call__(self, *_: Any) -> NoReturn:
        raise _StoppedError


@lru_cache(maxsize=1)
def _parser() -> _Parser:
    parser = _Parser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    for names in (*MODES, ("--hydra-help",), ("--resolve",)):
        parser.add_argument(*names, action="store_true")
    for name, short in (("package", "-p"), ("config-path", "-cp"), ("config-name", "-cn"), ("config-dir", "-cd")):
        parser.add_argument(f"--{name}", short)
    parser.add_argument("--version", nargs=0, action=_Version)
    parser.add_argument("--experimental-rerun")
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=INFORMATION)
    return parser


def parse_command_line(words: Iterable[str]) -> CommandLine:
    """Read the words behind a program's name as Hydra does.

    Raises:
        CommandLineError: Hydra refuses them.
    """
    numbered = []
    for place, text in enumerate(words):
        word = _Word(text)
        word.place = place
        numbered.append(word)
    try:
        found = _parser().parse_args(numbered)
    except _StoppedError:
        return CommandLine(runs=False)
    commands = found.run + found.multirun + found.shell_completion + (found.cfg is not None) + (found.info is not None)
    if commands > 1:
        raise CommandLineError("only one of --run, --multirun, --cfg, --info and --shell-completion can be given")
    overrides: list[Any] = found.overrides
    return CommandLine(
        tuple(map(str, overrides)),
        tuple(word.place for word in overrides),
        found.config_path,
        found.config_name,
        found.config_dir,
        found.multirun,
        not any(getattr(found, name) not in (False, None) for name in SHOWING),
        found.experimental_rerun is not None,
    )


def takes_next_word(word: str) -> bool:
    """Whether the word is an option of Hydra whose value is the word behind it."""
    try:
        _parser().parse_args([word])
    except CommandLineError as error:
        return "expected one argument" in str(error)
    except _StoppedError:
        pass
    return False
