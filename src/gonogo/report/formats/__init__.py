"""The formats in which verdicts are written, one module each.

A module belongs to this package or to an installed one, and defines `FORMAT`.

A package that brings a format of its own names its module in the entry-point group `gonogo.formats`, under the format's name.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Protocol, TextIO

from gonogo.model.errors import UsageError
from gonogo.model.finding import Severity
from gonogo.model.verdict import Verdict
from gonogo.system.plugins import named

GROUP = "gonogo.formats"
_OLDER_NAMES = {"text": "full"}


class Writer(Protocol):
    """Writes the verdicts of one call."""

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict, with the texts of the files that it points into, by path."""

    def finish(self, seconds: float) -> None:
        """Write what is left; `seconds` is what the whole call took."""


@dataclass(frozen=True)
class RuleHelp:
    """What the documentation of a rule says.

    Attributes:
        severity: of its findings, unless a finding says otherwise.
        title: one sentence.
        why: why it matters.
        text: all of it as plain text.
        markdown: all of it as Markdown.
    """

    severity: Severity
    title: str
    why: str
    text: str
    markdown: str


def no_help() -> Mapping[str, RuleHelp]:
    """No documentation of any rule."""
    return {}


@dataclass(frozen=True)
class Target:
    """Where to write, and how much.

    Attributes:
        stream: a text stream.
        path: the file's path, None for a stream that has none.
        experiments: how many verdicts there will be.
        details: show also what is of use to few.
        quiet: show the verdicts alone, in formats for people.
        rules: the documentation of rules by id, made when it is asked for.
    """

    stream: TextIO
    path: str | None
    experiments: int
    details: bool = False
    quiet: bool = False
    rules: Callable[[], Mapping[str, RuleHelp]] = no_help


class Collector:
    """The part that writers have in common which write when all verdicts are there."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.stream
        self._verdicts: list[Verdict] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict."""
        self._verdicts.append(verdict)


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        summary: what it is, for the help.
        open: makes a writer.
        binary: it writes to the target's path by itself, never to a terminal.
        streams: it writes each verdict as it comes, so that a reader of a pipe need not wait.
        configs: it shows what each run composes, which is then worked out and put into the verdict.
    """

    summary: str
    open: Callable[[Target], Writer]
    binary: bool = False
    streams: bool = False
    configs: bool = False


def names() -> list[str]:
    """The names of all formats."""
    return sorted({*(entry.name for entry in pkgutil.iter_modules(__path__)), *named(GROUP)})


def is_known(name: str) -> bool:
    """Whether there is a format of this name."""
    return name in _OLDER_NAMES or name in names()


def load(name: str) -> Format:
    """A format by its name.

    Raises:
        UsageError: there is none of this name, or packages are missing that it needs.
    """
    name = _OLDER_NAMES.get(name, name)
    known = names()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        meant = f"did you mean {near[0]}? There are" if near else "use one of"
        raise UsageError(f"There is no format '{name}': {meant} {', '.join(known)}.")
    try:
        module = import_module(named(GROUP).get(name, f"{__name__}.{name}"))
    except ImportError as error:
        raise UsageError(f"--format {name} needs more packages: install gonogo[{name}] ({error}).") from error
    found: Format = module.FORMAT
    return found
