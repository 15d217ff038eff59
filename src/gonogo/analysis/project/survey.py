"""The runs of a project that lists none.

They are found from its entry points and from the options of the groups that hold the settings of whole runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gonogo.analysis.interpreter.project import MANDATORY, EntryPoint, ProjectInterpreter, ProjectSource
from gonogo.analysis.interpreter.trace import Access, Trace
from gonogo.analysis.project.config_groups import ConfigFolder
from gonogo.analysis.project.documented import Start, documented_starts, documents
from gonogo.analysis.project.entries import Entry, find_entries, import_roots
from gonogo.analysis.project.hydra_doubts import old_hydra
from gonogo.analysis.project.ways import Way
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.compose.client import Composition
from gonogo.compose.command_line import CommandLine
from gonogo.documents.yaml import parse_yaml
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.policy import excluding
from gonogo.model.runs import Run

MOST_STEPS = 3_000_000  # for all runs together; then configs are still composed, but their code is not followed
MOST_PICKS = 6  # choices that are made for an entry point that asks for some


@dataclass
class Survey:
    """What the entry points of a project showed.

    Attributes:
        undecided: entry points of which nothing composed although nothing is known to be wrong.
    """

    runs: list[Run] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


@dataclass
class _Looked:
    """What looking at a program showed.

    Attributes:
        way: the first way to start it of which something is known, with what it asked for.
        walked: what that showed.
        bare: it was started without a word although no document says so.
        ways: the ways that were tried.
    """

    entry: Entry
    way: Way
    walked: ProjectInterpreter
    bare: bool
    ways: list[Way]


class Surveyor:
    """Composes and follows what the entry points start.

    Args:
        experiment: the project.
        contract: has the groups of whole runs and the limits.
        modules: every module, by path.
        configs: composes.
    """

    def __init__(self, experiment: Experiment, contract: Contract, modules: dict[str, Module], configs: ProjectSource) -> None:
        assert contract.entries is not None
        self._experiment, self._rules, self._modules, self._configs = experiment, contract.entries, modules, configs
        self._roots = import_roots(modules)
        self._old = old_hydra(experiment)
        self._commands = "\n".join(documents(experiment))
        self._written = {path for module in modules.values() for path in _written_paths(module)}
        self._steps = 0
        self._walked = 0
        self.survey = Survey()

    def run(self, given: Sequence[str], exclude: Sequence[str] = ()) -> Survey:
        """Look at every entry point, then at their choices.

        Args:
            given: entry points that the caller named; none to detect them.
            exclude: patterns of files and folders whose entry points are not detected.
        """
        entries, in_tests = find_entries(self._modules, given)
        if not given:
            entries = [entry for entry in entries if excluding(entry.module.path, exclude) is None]
        survey = self.survey
        if in_tests:
            survey.notes.append(f"{in_tests} entry points in tests were left out: name one with --entry to look at it.")
        kept = sorted(entries, key=lambda entry: entry.is_assumed)[: self._rules.max_runs]
        if len(kept) < len(entries):
            survey.notes.append(f"{len(entries) - len(kept)} of {len(entries)} entry points were left out: name them with --entry.")
        functions: dict[str, set[str]] = {}
        for entry in entries:
            functions.setdefault(entry.module.path, set()).add(getattr(entry.function, "name", ""))
        shown = documented_starts(self._experiment, self._modules, {path: frozenset(names) for path, names in functions.items()})
        most = max(2, self._rules.max_runs // max(1, len(kept)))
        looked = [each for entry in kept if (each := self._look_at(entry, shown.get(entry.module.path, []), most)) is not None]
        kept = [each.entry for each in looked]
        if not kept:
            survey.undecided.append("there is no function under `@hydra.main`: name an entry point with --entry")
        self._walk_choices(looked)
        for each in looked:
            if each.bare:
                self._forgive_bare_start(each.entry)
        if self._old and survey.runs:
            survey.undecided.append(f"the code was not held against its configs: {self._old}")
        elif self._walked < len(survey.runs):
            survey.notes.append(f"The code was followed for {self._walked} of {len(survey.runs)} runs; all were composed.")
        survey.undecided += self._uncomposed(kept)
        return survey

    # -- how a program is started -----------------------------------------------------------------------------------------

    def _look_at(self, entry: Entry, starts: list[Start], most: int) -> _Looked | None:
        """Start a program as the caller or the documents say.

        It is started without arguments where nobody says how, or where all they say is out of date.

        None for a script that composes nothing.
        """
        if entry.line is not None:
            ways = [Way(line, True) for line in self._single(entry.line)]
        else:
            ways = list(dict.fromkeys(Way.of(start, line) for start in starts for line in self._single(start.line)))
        if len(ways) > most:
            self.survey.notes.append(f"{len(ways) - most} of {len(ways)} documented starts of {entry.name} were left out.")
            ways = [ways[index * len(ways) // most] for index in range(most)]
        first: tuple[Way, ProjectInterpreter] | None = None
        tried: list[Way] = []
        pending = ways
        while pending and len(tried) < most:
            way, *pending = pending
            found, walked = self._start(entry, way)
            tried.append(found)
            named = ConfigFolder(self._experiment, walked.hydra.named_folder)
            options = found.untold(named, self._folder(walked))
            if options:
                self._take_back()
                pending = [*options, *pending]
            elif entry.line is None and (
                found.is_out_of_date(made := _first_made(walked)) or (found.is_guessed and not (made and made.ok))
            ):
                self._take_back()
            else:
                first = first or (found, walked)
        if first is not None:
            return _Looked(entry, *first, False, tried)
        way, walked = self._start(entry, Way())
        looked = _Looked(entry, way, walked, True, [*tried, way])
        if entry.is_assumed and _first_made(walked) is None:
            self._take_back()
            return None
        unnamed = walked.hydra.where is not None and walked.hydra.where[1] is None and walked.hydra.folder_is_named
        if unnamed and self._folder(walked).names():
            self._take_back()  # with no primary config it is not how anybody starts it
        return looked

    def _single(self, line: CommandLine) -> list[CommandLine]:
        """The single runs that a command line starts."""
        return [replace(line, overrides=overrides, places=(), multirun=False) for overrides in self._configs.sweep(line.overrides)]

    def _start(self, entry: Entry, way: Way) -> tuple[Way, ProjectInterpreter]:
        """Follow an entry point; where it asks for a choice, with the first one there is."""
        walked = self._walk(entry, way)
        for _ in range(MOST_PICKS):
            made = walked.trace.processes[0].compositions
            asked = MANDATORY.search(made[-1][1].message) if made and walked.hydra.where is not None else None
            options = self._folder(walked).options(asked[1]) if asked is not None else []
            if asked is None or not options:
                break
            self._take_back()
            way = way.choosing(asked[1], options[0])
            walked = self._walk(entry, way)
        return way, walked

    def _take_back(self) -> None:
        """Forget the last run."""
        self.survey.runs.pop()
        self.survey.traces.pop()

    def _folder(self, walked: ProjectInterpreter) -> ConfigFolder:
        """The config folder of a program, once it is known."""
        folder = walked.hydra.where[0] if walked.hydra.where is not None else None
        return ConfigFolder(self._experiment, folder)

    # -- the other runs of a program ------------------------------------------------------------------------------------------

    def _walk_choices(self, looked: list[_Looked]) -> None:
        folders = [each.walked.hydra.where[0] if each.walked.hydra.where is not None else None for each in looked]
        pending = list(zip(looked, self._meant(looked), strict=True))
        total = sum(len(ways) for _, ways in pending)
        room = max(0, self._rules.max_runs - len(self.survey.runs))
        done = 0
        for (each, ways), folder in zip(pending, folders, strict=True):
            share = len(ways) if total <= room else room * len(ways) // max(1, total)
            for index in range(share):
                self._walk(each.entry, ways[index * len(ways) // share], is_alone=folders.count(folder) == 1)
                done += 1
        if total > room:
            left = f"{total - done} of {total} choices of whole runs were left out"
            self.survey.notes.append(f"{left} (at most {self._rules.max_runs} runs).")

    def _meant(self, looked: list[_Looked]) -> list[list[Way]]:
        """Return the choices without those of groups that belong to another entry point.

        Such a group is not in this entry point's defaults list but in another's.
        """
        listed = [(each.walked.hydra.where, each.walked.trace.composition) for each in looked]
        taken = {(where[0], group) for where, made in listed if where is not None and made is not None for group in made.choices}
        found = []
        for each, (where, made) in zip(looked, listed, strict=True):
            folder = where[0] if where is not None else None
            own = made.choices if made is not None else {}
            ways = self._choices(each)
            found.append([way for group, way in ways if not group or group in own or (folder, group) not in taken])
        return found

    def _choices(self, looked: _Looked) -> list[tuple[str, Way]]:
        """The further runs of an entry point, each with the group it chooses from.

        Choices of groups of whole runs, the other choices of the one group that it asks for, files that start a sweep, primary configs by
        name.
        """
        walked, way = looked.walked, looked.way.with_choices_only(self._folder(looked.walked))
        if walked.hydra.where is None or walked.hydra.where[0] is None:
            return []
        folder, name = walked.hydra.where
        prefix = "" if folder in ("", ".") else f"{folder}/"
        files = [file for file in self._experiment.with_suffix(".yaml", ".yml") if file.path.startswith(prefix)]
        picked = [text for text in way.line.overrides if not way.is_shown]
        asked = picked[-1].partition("=")[0] if looked.bare and len(picked) == 1 else None
        given = {text.partition("=")[0].lstrip("+") for text in looked.entry.line.overrides} if looked.entry.line is not None else set()
        tried = {text.lstrip("+") for each in looked.ways for text in each.line.overrides}
        found: list[tuple[str, Way]] = []
        for file in files:
            relative, _, _ = file.path.removeprefix(prefix).rpartition(".")
            group, _, choice = relative.partition("/")
            if not choice:
                if name is None and way.line.config_name is None and walked.hydra.folder_is_named:
                    line = replace(way.line, config_name=relative, places=())
                    found.append(("", replace(way, line=line, is_shown=False, path=file.path)))
            elif asked == relative.rpartition("/")[0]:
                option = relative.rpartition("/")[2]
                if f"{asked}={option}" not in tried:
                    found.append((asked, way.choosing(asked, option, file.path)))
            elif group in given or group == "hydra" or f"{group}={choice}" in tried:
                continue
            elif group in self._rules.run_groups or _starts_sweep(file.text or ""):
                found.append((group, way.choosing(group, choice, file.path)))
        return found

    # -- one run --------------------------------------------------------------------------------------------------------------

    def _walk(self, entry: Entry, way: Way, is_alone: bool = False) -> ProjectInterpreter:
        name = way.name(entry)
        only_compose = bool(self._old) or self._steps > MOST_STEPS
        start = EntryPoint(name, entry.module, entry.function, way.line, way.is_open, way.is_shown, is_alone, only_compose)
        walked = ProjectInterpreter(self._modules, self._experiment.text, self._configs, start, self._roots)
        walked.walk()
        self._steps += walked.steps
        self._walked += not only_compose
        folder = self._folder(walked)
        walked.trace.keep(Access, lambda access: not way.is_open and self._is_certain(access, walked.trace, way, folder))
        if way.is_open:
            _soften(walked.trace.composition, _broken(walked.trace.composition))
        path = way.path if way.path is not None else folder.file_of_run(way.line.overrides, self._rules.run_groups)
        text = self._experiment.text(path) or "" if path is not None else ""
        self.survey.runs.append(Run(name, path, text, None, from_plan=False))
        self.survey.traces.append(walked.trace)
        return walked

    def _is_certain(self, access: Access, trace: Trace, way: Way, folder: ConfigFolder) -> bool:
        """Whether an access tells something of every use.

        Mandatory values and empty groups are filled in on the command line, and so are keys that a documented command adds. Where nobody
        says how the program is started, a group that the defaults list lacks may be added.
        """
        if (access.status == "missing" and not way.is_shown) or re.search(
            rf"(?<![\w.]){re.escape('.'.join(access.path))}(?:\.[\w.]+)?=", self._commands
        ):
            return False
        composition = trace.composition
        for group, choice in composition.choices.items() if composition is not None else ():
            if choice in (None, "???"):
                package = tuple(group.partition("@")[2].split(".") if "@" in group else group.split("/"))
                if access.path[: len(package)] == package:
                    return False
        if access.path in self._written:
            return False  # code that was not followed may write it first
        return way.is_shown or composition is None or not folder.may_bring(access.path, composition)

    def _forgive_bare_start(self, entry: Entry) -> None:
        """Drop what shows only when a program starts without selecting an option.

        This is done where a group of whole runs has options and is empty by default.
        """
        bare, *others = [trace for trace in self.survey.traces if _belongs(trace, entry)] or [Trace("", "")]
        composition = bare.composition
        if not others or composition is None or not any(composition.choices.get(group, "") is None for group in self._rules.run_groups):
            return
        seen = {(access.site, access.path) for trace in others for access in trace.accesses}
        bare.keep(Access, lambda access: (access.site, access.path) in seen)
        broken = {path for trace in others for path in _broken(trace.composition)}
        _soften(composition, _broken(composition) - broken)

    def _uncomposed(self, entries: list[Entry]) -> Iterator[str]:
        for entry in entries:
            own = [trace for trace in self.survey.traces if _belongs(trace, entry)]
            made = [composition for trace in own for process in trace.processes for _, composition in process.compositions]
            if any(composition.ok or not composition.unsure for composition in made):
                continue
            reasons = [composition.unsure for composition in made] or [trace.reason for trace in own if trace.reason]
            yield f"{entry.name} was not composed: {reasons[0] if reasons else 'no config path and name could be read off the code'}"


def _broken(composition: Composition | None) -> set[tuple[str, ...]]:
    """The paths of interpolations that don't resolve."""
    return {path for path, found in composition.interpolations.items() if found.status == "broken"} if composition is not None else set()


def _soften(composition: Composition | None, paths: set[tuple[str, ...]]) -> None:
    """Take what was found about these interpolations back."""
    for path in paths if composition is not None else ():
        assert composition is not None
        composition.interpolations[path] = replace(composition.interpolations[path], status="unknown")


def _first_made(walked: ProjectInterpreter) -> Composition | None:
    """What the first process composed last."""
    made = walked.trace.processes[0].compositions
    return made[-1][1] if made else None


def _written_paths(module: Module) -> Iterator[tuple[str, ...]]:
    """Yield the attribute paths that a module assigns to.

    The name of the object is left out: `cfg.a.b = 1` writes `a.b`.
    """
    for node in module.of(ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            root, *path = qualified_name(node).split(".")
            if path and root not in ("self", "cls"):
                yield tuple(path)


def _belongs(trace: Trace, entry: Entry) -> bool:
    return trace.run_id == entry.name or trace.run_id.startswith(f"{entry.name} ")


def _starts_sweep(text: str) -> bool:
    if "hydra" not in text or ("sweeper" not in text and "MULTIRUN" not in text):
        return False
    document = parse_yaml(text)
    return document.get(("hydra", "mode")) == "MULTIRUN" or isinstance(document.get(("hydra", "sweeper", "params")), dict)
