"""How configs are composed where a contract documents the runs.

Hydra is called with exactly the overrides of each process.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Iterable
from collections.abc import Mapping as PlainMapping
from collections.abc import Sequence as PlainSequence
from dataclasses import replace
from pathlib import Path as FolderPath
from typing import Any

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Process, Spread, Value, Walk
from gonogo.analysis.interpreter.markers import FILLER, ROOT
from gonogo.analysis.interpreter.processes import (
    Composed,
    Documented,
    DocumentedProcesses,
    GaveUp,
    LostRun,
    Refused,
    Started,
    filled,
    quote_override,
)
from gonogo.analysis.interpreter.selection import shown_selection
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN, NotKnown
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.values.config_data import Source, build, placed
from gonogo.analysis.interpreter.values.hydra_main import HydraMain
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import NONE, Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composer, Composition
from gonogo.compose.command_line import CommandLine, CommandLineError, parse_command_line

UNSPECIFIED_VERSION = "1.1"


class ConfigSource:
    """Composes for all runs of one experiment and never the same thing twice.

    Args:
        composer: the child process.
        root: the folder with the experiment's files.
    """

    def __init__(self, composer: Composer, root: FolderPath) -> None:
        self._composer = composer
        self._root = root
        self._done: dict[tuple[Any, ...], Composition] = {}
        self._grammar: dict[str, str | None] = {}

    def compose(self, folder: str, name: str | None, overrides: Iterable[str], version_base: str | None) -> Composition:
        """Compose the config `name` of a folder of the experiment."""
        key = (folder, name, tuple(overrides), version_base)
        if key not in self._done:
            self._done[key] = self._composer.compose(self._root / folder, name, key[2], version_base, folder)
        return self._done[key]

    def grammar_fault(self, override: str) -> str | None:
        """Hydra's complaint about an override's grammar."""
        if override not in self._grammar:
            self._grammar[override] = self._composer.parse([override])[0]
        return self._grammar[override]


class DocumentedHydra:
    """Composes for documented runs.

    Args:
        walk: the interpreter.
        configs: composes.
        processes: knows the command lines.
        runs: the runs that are walked together, by number.
        texts: the text of a file by path, None if there is none.
        config_dir: where the contract has the configs: taken where `hydra.main` names a folder that is not there, which HYD101 reports,
            so that all else that is wrong is found as well.
    """

    def __init__(
        self,
        walk: Walk,
        configs: ConfigSource,
        processes: DocumentedProcesses,
        runs: PlainSequence[Documented],
        texts: Callable[[str], str | None],
        config_dir: str,
    ) -> None:
        self._walk = walk
        self._configs = configs
        self._processes = processes
        self._runs = runs
        self._texts = texts
        self._config_dir = config_dir

    def start(self, main: Value, at: ast.AST) -> Value:
        """Call a function under `@hydra.main`."""
        assert isinstance(main, HydraMain)
        memory, module = self._walk.memory, main.function.module
        folder = folder_beside(module, main.options.get("config_path", NONE))
        name, version = text_option(main, "config_name", None), text_option(main, "version_base", UNSPECIFIED_VERSION)
        config, known = UNKNOWN, 0
        if name is not NOT_KNOWN and version is not NOT_KNOWN:
            site, made = Site(module, main.node), {}
            for run in memory.runs():
                with memory.only(1 << run):
                    line = self._command_line(self._walk.process, run)
                    where = place_of_config(module, folder, name, line)
                    if where is not None:
                        made[1 << run] = self._attempt(run, self._folder_there(*where), where[1], list(line.overrides), version, site)
            config, known = config_of(self._walk, {runs: one for runs, one in made.items() if one is not None})
        if memory.now & ~known:
            with memory.only(memory.now & ~known):
                self._walk.state.record(GaveUp("the config of a process did not compose"))
        return main.function.call(self._walk, Arguments([config]), at)

    def compose(self, given: Arguments, at: ast.AST) -> Value:
        """`hydra.compose(config_name, overrides=…)`."""
        folder, name = self._walk.process.folder, given.get(0, "config_name").constant()
        words = settled(given.get(1, "overrides", Sequence()))
        if folder is None or not isinstance(name, str) or not isinstance(words, Sequence) or words.open:
            return UNKNOWN
        if any(word.unknown for word in words.values):
            return UNKNOWN
        site, overrides, made = self._walk.state.site(at), [], {}
        for run in self._walk.memory.runs():
            with self._walk.memory.only(1 << run):
                overrides = [filled(word) for word in words.values]
                made[1 << run] = self._attempt(run, folder, name, overrides, None, site)
        return config_of(self._walk, {runs: one for runs, one in made.items() if one is not None})[0]

    def folder_given(self, given: Arguments) -> str | None:
        """The folder that `hydra.initialize` was given, relative to the experiment's root."""
        return folder_beside(self._walk.state.module, given.get(0, "config_path", given.get(0, "config_dir")))

    def _folder_there(self, folder: str, name: str | None) -> str:
        """The folder that `hydra.main` names, or the contract's if only that one has the config."""
        if name is None:
            return folder
        file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
        is_there = self._texts(posixpath.normpath(f"{folder}/{file}")) is not None
        return folder if is_there or self._texts(f"{self._config_dir}/{file}") is None else self._config_dir

    def _command_line(self, process: Process, run: int) -> CommandLine:
        """Return the command line of a process.

        Where the program rewrites it beyond recognition, it is the documented one, made safe.
        """
        argv = settled(process.argv)
        if process.rewrites_argv and (argv.open or not argv.items):
            return CommandLine(tuple(self._documented(run)))
        line = self._parsed([filled(word) for word in self._processes.words_given(process)])
        if not process.open:
            return line
        keys = {word.partition("=")[0].lstrip("+") for word in line.overrides} | self._refused_at_first()
        more = tuple(word for word in self._documented(run) if word.partition("=")[0] not in keys)
        return replace(line, overrides=(*line.overrides, *more))

    @staticmethod
    def _parsed(words: list[str]) -> CommandLine:
        """Return the command line as Hydra reads it.

        Options that Hydra does not know are taken to belong to the program that starts it.
        """
        try:
            line = parse_command_line(words)
        except CommandLineError:
            return CommandLine(tuple(word for word in words if not word.startswith("-") and word != FILLER))
        return replace(line, overrides=tuple(word for word in line.overrides if word != FILLER))

    def _documented(self, run: int) -> list[str]:
        return [quote_override(word) if self._configs.grammar_fault(word) else word for word in self._runs[run].arguments]

    def _refused_at_first(self) -> set[str]:
        """The keys of overrides that Hydra refused in the run's first process."""
        events = [event for _, event in self._walk.state.events.here()]
        first = next(event.process for event in events if isinstance(event, Started))
        return {event.override.partition("=")[0] for event in events if isinstance(event, Refused) and event.process is first}

    def _attempt(
        self, run: int, folder: str, name: str | None, overrides: list[str], version: str | None, site: Site
    ) -> Composition | None:
        """Compose the config for one run, if needed without the overrides that Hydra rejects.

        None where nothing useful composes.
        """
        state, process = self._walk.state, self._walk.process
        made = self._configs.compose(folder, name, overrides, version)
        state.record(Composed(process, site, made))
        if made.ok:
            return made
        made, accepted = self._without_failing(run, folder, name, overrides, version)
        lost = any(isinstance(event, LostRun) and event.process is process for _, event in state.events.here())
        if not made.ok or lost:
            made = self._as_shown(run, made, folder, name, accepted, version)
            if not made.ok:
                return None  # without its run the config says nothing about the code
        state.record(Composed(process, site, made))
        return made

    def _as_shown(
        self, run: int, best: Composition, folder: str, name: str | None, accepted: list[str], version: str | None
    ) -> Composition:
        """Compose with the run selected as the shared config shows; one that is not ok where it shows nothing.

        What surely fails then is worth telling; of what the code leaves undone nothing is, so the trace counts as incomplete.
        """
        documented = self._runs[run]
        without_run = best.config if best.ok else None
        selection = shown_selection(documented.option, documented.run_id, folder, name or "", without_run, self._texts)
        if selection is None:
            return replace(best, config=None)
        self._walk.state.record(GaveUp("the run was not selected as documented"))
        word = quote_override(selection) if self._configs.grammar_fault(selection) else selection
        return self._configs.compose(folder, name, [*accepted, word], version)

    def _without_failing(
        self, run: int, folder: str, name: str | None, overrides: list[str], version: str | None
    ) -> tuple[Composition, list[str]]:
        """Find the overrides that Hydra rejects, one by one, and compose without them.

        A run id that only lacks quotes is quoted.
        """
        accepted: list[str] = []
        best = self._configs.compose(folder, name, accepted, version)
        for override in overrides:
            attempt = self._configs.compose(folder, name, [*accepted, override], version)
            if attempt.ok or (not best.ok and not self._configs.grammar_fault(override)):
                accepted.append(override)
                best = attempt
                continue
            if FILLER in override and "not in struct" not in attempt.message:
                continue  # Hydra stumbles over the filler, not over the key
            quoted = self._refuse(run, override, attempt, folder, name, accepted, version)
            if quoted is not None:
                accepted.append(quoted.overrides[-1])
                best = quoted
        return best, accepted

    def _refuse(
        self, run: int, override: str, attempt: Composition, folder: str, name: str | None, accepted: list[str], version: str | None
    ) -> Composition | None:
        """Note that Hydra refuses an override; what composes with it in quotes, None if nothing does."""
        state, process = self._walk.state, self._walk.process
        state.record(Refused(process, override, attempt))
        if self._configs.grammar_fault(override):
            quoted = quote_override(override)
            attempt = self._configs.compose(folder, name, [*accepted, quoted], version)
            if attempt.ok:
                return attempt
            state.record(Refused(process, quoted, attempt))
        if override.partition("=")[0] == self._runs[run].option:
            state.record(LostRun(process))
        return None


def place_of_config(module: Module, folder: str | None, name: str | None, line: CommandLine) -> tuple[str, str | None] | None:
    """Return the folder and name of the primary config after the command line was applied.

    None where that is not known.

    Args:
        module: the one with the function under `@hydra.main`.
        folder: what that names, relative to the experiment's root.
        name: what that names.
        line: the command line.
    """
    if line.rerun or line.config_dir is not None:
        return None
    if line.config_path is not None:
        folder = folder_beside(module, Scalar(line.config_path))
    name = line.config_name if line.config_name is not None else name
    known = folder is not None and FILLER not in folder and FILLER not in (name or "")
    return (folder, name) if folder is not None and known else None


def config_of(walk: Walk, made: PlainMapping[int, Composition]) -> tuple[Value, int]:
    """The config that runs get, and those for which there is one.

    Args:
        made: what composed, by run, as bit masks.
    """
    memory, process = walk.memory, walk.process
    known = sum(made)
    if known:
        choices = memory.combine((runs, _choices(composition)) for runs, composition in made.items())
        with memory.only(known):
            sources = [Source(runs, placed(made[runs].config or {}, made[runs].interpolations)) for runs in made]
            config = build(memory, sources, struct=True)
    unknown = memory.now & ~known
    if not known:
        return UNKNOWN, 0
    before = memory.raw(process, "choices")
    memory.set(process, "choices", memory.combine([(known, choices), (unknown, before)]) if unknown else choices)
    return (memory.combine([(known, config), (unknown, UNKNOWN)]) if unknown else config), known


def _choices(made: Composition) -> Value:
    """Which option of each config group a composition took; there are other groups."""
    items = {group: Scalar(choice) if choice is None or isinstance(choice, str) else UNKNOWN for group, choice in made.choices.items()}
    return Mapping(Spread(items, open=True))  # type: ignore[arg-type]


def text_option(main: HydraMain, name: str, otherwise: str | None) -> str | NotKnown | None:
    """An option of `@hydra.main`, a text or None."""
    if name not in main.options:
        return otherwise
    value = main.options[name].constant()
    return value if value is None or isinstance(value, str) else NOT_KNOWN


def folder_beside(module: Module, config_path: Value) -> str | None:
    """Return the folder that a `config_path` names, relative to the experiment's root.

    None where it names no folder inside the root, or where it is not known.
    """
    text = config_path.path_text()
    if text is None:
        return None
    if (text + "/").startswith(ROOT + "/"):
        return text.removeprefix(ROOT).strip("/") or "."
    if text.startswith(("/", "pkg://", "file://")):
        return None
    folder = posixpath.normpath(posixpath.join(posixpath.dirname(module.path), text))
    return None if folder.startswith("..") else folder
