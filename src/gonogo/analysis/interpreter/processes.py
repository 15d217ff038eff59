"""The processes of a run: how the documented one and its children are started.

Also what the trace says of them.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable
from collections.abc import Sequence as PlainSequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gonogo.analysis.interpreter.base import Process, Value, Walk
from gonogo.analysis.interpreter.markers import FILLER, ROOT
from gonogo.analysis.interpreter.memory import Alternatives, Diverged
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.state import Event, Site
from gonogo.analysis.interpreter.trace import MissingChild
from gonogo.analysis.interpreter.values.file_path import file_path
from gonogo.analysis.interpreter.values.outside import snapshots
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.text import Text
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composition
from gonogo.compose.command_line import takes_next_word

MAX_PROCESSES = 6
T = TypeVar("T")


@dataclass(frozen=True)
class Started(Event):
    """A process was started with some arguments.

    The arguments are complete unless it is `open`. `assumed` says that nothing was seen to start it.
    """

    process: Process
    arguments: tuple[str, ...]
    assumed: bool = False
    open: bool = False


@dataclass(frozen=True)
class Composed(Event):
    """Hydra was asked to compose."""

    process: Process
    site: Site
    composition: Composition


@dataclass(frozen=True)
class Refused(Event):
    """Hydra refuses an override on its own."""

    process: Process
    override: str
    composition: Composition


@dataclass(frozen=True)
class LostRun(Event):
    """Hydra refused the override that selects the run."""

    process: Process


@dataclass(frozen=True)
class Rewrote(Event):
    """A process sets its own command line."""

    process: Process


@dataclass(frozen=True)
class GaveUp(Event):
    """Something could not be walked."""

    reason: str


@dataclass(frozen=True)
class LoadedUnnamed(Event):
    """A YAML file was read whose name is not known."""


@dataclass(frozen=True)
class Documented:
    """A run as a documented command starts it.

    Attributes:
        command: the command's name.
        option: the override key that selects the run.
        module: what the command starts, with `arguments`.
    """

    run_id: str
    command: str
    option: str
    module: str
    arguments: tuple[str, ...]


class Runner(Walk, Protocol):
    """What starting processes takes."""

    program: Program

    def run_process(self, module: Module, process: Process) -> None:
        """Walk a process."""


class DocumentedProcesses:
    """The documented processes and the child processes that the code starts.

    A child is Python running one of the experiment's modules.

    Args:
        walk: the interpreter.
        runs: the runs that are walked together, by number.
    """

    def __init__(self, walk: Runner, runs: PlainSequence[Documented]) -> None:
        self._walk = walk
        self._runs = runs

    def start(self, module: str, assumed: bool = False) -> None:
        """Walk a module as the documented command of each run that is being walked starts it."""
        memory = self._walk.memory
        words = memory.combine((1 << run, Sequence([Scalar(word) for word in self._runs[run].arguments])) for run in memory.runs())
        self._start(module, self._in_columns(words), None, assumed)

    def _in_columns(self, words: Value) -> list[tuple[int, list[Value], bool]]:
        """The words of runs that have as many as one list."""
        memory = self._walk.memory
        lengths: dict[int, list[tuple[int, tuple[Value, ...]]]] = {}
        for runs in memory.groups([words]):
            with memory.only(runs):
                items = settled(words.seen() if isinstance(words, Alternatives) else words).items
                lengths.setdefault(len(items), []).append((runs, items))
        found = []
        for length, rows in lengths.items():
            columns = [memory.combine((runs, row[place]) for runs, row in rows) for place in range(length)]
            found.append((sum(runs for runs, _ in rows), columns, False))
        return found

    def launch(self, command: Value, at: ast.AST) -> None:
        """The program starts a child process."""
        memory, state = self._walk.memory, self._walk.state
        again = sum(
            runs
            for runs, event in state.events.here()
            if isinstance(event, Started) and event.process.site and event.process.site.node is at
        )
        found: dict[str | None, list[tuple[int, list[Value], bool]]] = {}
        for runs in memory.groups([command]):
            with memory.only(runs):
                plain = command.seen() if isinstance(command, Alternatives) else command
                words = words_of(self._walk, plain)
                module, rest = self._python_module(words or [], at)
                is_open = isinstance(plain, Sequence) and plain.open
                for mask, key in ((runs & ~again, module), (runs & again, None)):
                    if mask:
                        found.setdefault(key, []).append((mask, rest, is_open))
        if len(found) > 1:
            raise Diverged(sum(mask for mask, _, _ in entries) for entries in found.values())
        ((module, entries),) = found.items()
        if module is not None:
            self._start(module, [(mask, *self._known(rest, is_open)) for mask, rest, is_open in entries], state.site(at))

    def _known(self, rest: list[Value], is_open: bool) -> tuple[list[Value], bool]:
        """The words of a command line that something is known of, and whether there may be others."""
        known = [
            Scalar(FILLER) if word.unknown else self._word(word)
            for index, word in enumerate(rest)
            if not word.unknown or (index and asked(rest[index - 1], _wants_value))
        ]
        return known, is_open or len(known) < len(rest)

    def _start(self, name: str, entries: list[tuple[int, list[Value], bool]], site: Site | None, assumed: bool = False) -> None:
        walk = self._walk
        memory, state = walk.memory, walk.state
        module = walk.program.by_name.get(name)
        path = Scalar(module.path if module is not None else "")
        argv = memory.combine((runs, Sequence([path, *words])) for runs, words, _ in entries)
        process = Process(name, argv, site, memory.combine((runs, is_open) for runs, _, is_open in entries))
        for runs, words, is_open in entries:
            with memory.only(runs):
                for mask, values in snapshots(walk, words):
                    with memory.only(mask):
                        state.record(Started(process, tuple(filled(value) for value in values), assumed, is_open))
        too_many = memory.agree(self._runs_with_more(MAX_PROCESSES))
        if module is not None and (module.tree is None or too_many):
            state.record(GaveUp("too many processes" if module.tree is not None else f"{module.path} can't be parsed"))
        elif module is not None:
            walk.run_process(module, process)

    def _runs_with_more(self, most: int) -> int:
        """The runs that have started more than some processes."""
        counts = dict.fromkeys(self._walk.memory.runs(), 0)
        for runs, event in self._walk.state.events.here():
            if isinstance(event, Started):
                for run in counts:
                    counts[run] += runs >> run & 1
        return sum(1 << run for run, count in counts.items() if count > most)

    def _python_module(self, words: list[Value], at: ast.AST) -> tuple[str | None, list[Value]]:
        """The module of the experiment that a command line starts, and the words behind it."""
        known = self._walk.program.by_name
        for index, word in enumerate(words):
            if asked(word, lambda value: value.path_text() == "-m") and index + 1 < len(words):
                name = words[index + 1].path_text()
                if name is not None and name not in known and self._would_be_ours(name) and self._walk.state.is_certain:
                    self._walk.state.record(MissingChild(self._walk.state.site(at), name))
                return (name if name in known else None), words[index + 2 :]
            if asked(word, lambda value: (value.path_text() or "").endswith(".py")):
                path = file_path(word.path_text() or "").text.removeprefix(ROOT + "/")
                name = path.removesuffix(".py").replace("/", ".")
                if name not in known and "/" in path and self._would_be_ours(name) and self._walk.state.is_certain:
                    self._walk.state.record(MissingChild(self._walk.state.site(at), path))
                return (name if name in known else None), words[index + 1 :]
        return None, []

    def _would_be_ours(self, name: str) -> bool:
        """Return whether a module that is missing would have to be one of the experiment's.

        It would if the experiment has its package, and that is no package of packages.
        """
        package, _, last = name.rpartition(".")
        package = package.partition(".")[0]
        inside = f"{name}.__main__" not in self._walk.program.by_name and not any(
            known.startswith(f"{name}.") for known in self._walk.program.by_name
        )
        return bool(package) and last.isidentifier() and package in self._walk.program.packages and inside

    def words_given(self, process: Process) -> list[Value]:
        """The words of a process's command line that something is known of, without the module's own path."""
        argv = settled(process.argv)
        return [self._word(word) for word in argv.values[1:] if not word.unknown]

    def _word(self, word: Value) -> Value:
        """A word of a command line; one that selects the run by an unknown text is taken to select this run."""
        return self._walk.memory.over([word], lambda values: self._plain_word(values[0]))

    def _plain_word(self, word: Value) -> Value:
        if not isinstance(word, Text):
            return Scalar(filled(word))
        memory = self._walk.memory
        return memory.combine((1 << run, Scalar(self._filled_in(word, self._runs[run]))) for run in memory.runs())  # type: ignore[no-any-return]

    @staticmethod
    def _filled_in(word: Text, run: Documented) -> str:
        return quote_override(f"{run.option}={run.run_id}") if word.parts[0] == f"{run.option}=" else filled(word)


class NoChildren:
    """Children are entry points of their own, and are not walked."""

    def launch(self, command: Value, at: ast.AST) -> None:
        """The program starts a child process."""


def asked(value: Value, question: Callable[[Value], T]) -> T:
    """The answer to a question about a value that is the same for all runs that are being walked.

    Raises:
        Diverged: it is not.
    """
    if not isinstance(value, Alternatives):
        return question(value)
    memory, answers = value.memory, []
    for runs, each in value.here():
        with memory.only(runs):
            answers.append((runs, question(each)))
    return memory.agreed(answers)


def words_of(walk: Walk, command: Value) -> list[Value] | None:
    """A command line as words; None where nothing is known of it."""
    command = settled(command)
    if isinstance(command, Sequence):
        return command.values
    text = command.filled(FILLER) if isinstance(command, Text) else command.constant()
    if not isinstance(text, str):
        return None
    try:
        return [Scalar(word) for word in shlex.split(text)]
    except ValueError:
        return None


def _wants_value(word: Value) -> bool:
    """Return whether a word is an option of Hydra whose value is the next word.

    Such a value keeps its place even where nothing is known of it.
    """
    text = word.path_text()
    return text is not None and text.startswith("-") and takes_next_word(text)


def quote_override(override: str) -> str:
    """`key=value` with the value in single quotes, as Hydra's grammar wants them."""
    key, _, value = override.partition("=")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def filled(word: Value) -> str:
    """A word as a text, with a filler for what is not known of it."""
    return "".join(FILLER if part is None else part for part in word.shown())
