"""The runs of a project that nobody lists: its entry points, and the choices of the groups that hold the settings of whole runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gonogo.analysis.interpreter.project import MANDATORY, EntryPoint, ProjectInterpreter, ProjectSource
from gonogo.analysis.interpreter.trace import Access, Trace
from gonogo.analysis.project.entries import Entry, find_entries, import_roots, old_hydra
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composition
from gonogo.documents.yaml import parse_yaml
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
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


@dataclass(frozen=True)
class _Choice:
    """One more run of an entry point: an override, or another primary config."""

    path: str
    override: str = ""
    config_name: str | None = None

    @property
    def group(self) -> str:
        """The config group of the override."""
        return self.override.partition("=")[0]


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
        self._commands = "\n".join(file.text or "" for file in experiment.with_suffix(".md", ".sh"))
        self._steps = 0
        self._walked = 0
        self.survey = Survey()

    def run(self, given: Sequence[str]) -> Survey:
        """Look at every entry point, then at their choices."""
        entries, in_tests = find_entries(self._modules, given)
        survey = self.survey
        if in_tests:
            survey.notes.append(f"{in_tests} entry points in tests were left out: name one with --entry to look at it.")
        if not entries:
            survey.undecided.append("there is no function under `@hydra.main`: name an entry point with --entry")
        kept = entries[: self._rules.max_runs]
        if len(kept) < len(entries):
            survey.notes.append(f"{len(entries) - len(kept)} of {len(entries)} entry points were left out: name them with --entry.")
        pending: list[tuple[Entry, ProjectInterpreter, list[_Choice]]] = []
        for entry in kept:
            entry, walked = self._start(entry)
            choices = self._choices(walked, entry.picks)
            if any(choice.config_name for choice in choices):
                survey.runs.pop()
                survey.traces.pop()  # with no primary config it is not how anybody starts it
            pending.append((entry, walked, choices))
        self._walk_choices(self._meant(pending))
        for entry in kept:
            self._forgive_bare_start(entry)
        if self._old and survey.runs:
            survey.undecided.append(f"the code was not held against its configs: {self._old}")
        elif self._walked < len(survey.runs):
            survey.notes.append(f"The code was followed for {self._walked} of {len(survey.runs)} runs; all were composed.")
        survey.undecided += self._uncomposed(kept)
        return survey

    def _start(self, entry: Entry) -> tuple[Entry, ProjectInterpreter]:
        """Follow an entry point; where it asks for a choice, with the first one there is."""
        walked = self._walk(entry, None)
        for _ in range(MOST_PICKS):
            made = walked.trace.processes[0].compositions
            asked = MANDATORY.search(made[-1][1].message) if made and walked.hydra.where is not None else None
            options = self._options(f"{walked.hydra.where[0]}/{asked[1]}") if asked is not None and walked.hydra.where is not None else []
            if asked is None or not options:
                break
            self.survey.runs.pop()
            self.survey.traces.pop()
            entry = replace(entry, picks=(*entry.picks, f"{asked[1]}={options[0]}"))
            walked = self._walk(entry, None)
        return entry, walked

    def _options(self, group: str) -> list[str]:
        """The choices of a config group, by its folder."""
        prefix = posixpath.normpath(group) + "/"
        files = [file.path.removeprefix(prefix) for file in self._experiment.with_suffix(".yaml", ".yml") if file.path.startswith(prefix)]
        return sorted(name.rpartition(".")[0] for name in files if "/" not in name)

    @staticmethod
    def _meant(pending: list[tuple[Entry, ProjectInterpreter, list[_Choice]]]) -> list[tuple[Entry, list[_Choice]]]:
        """The choices without those of groups that the entry point's defaults list lacks while another's has it: they are for that one."""
        listed = [(walked.hydra.where, walked.trace.composition.choices if walked.trace.composition else {}) for _, walked, _ in pending]
        taken = {(where[0], group) for where, choices in listed if where is not None for group in choices}
        found = []
        for (entry, _, choices), (where, own) in zip(pending, listed, strict=True):
            folder = where[0] if where is not None else None
            kept = [choice for choice in choices if not choice.group or choice.group in own or (folder, choice.group) not in taken]
            found.append((entry, kept))
        return found

    def _walk_choices(self, pending: list[tuple[Entry, list[_Choice]]]) -> None:
        total = sum(len(choices) for _, choices in pending)
        room = max(0, self._rules.max_runs - len(self.survey.runs))
        for entry, choices in pending:
            share = len(choices) if total <= room else room * len(choices) // max(1, total)
            for index in range(share):
                self._walk(entry, choices[index * len(choices) // share])
        done = len([run for run in self.survey.runs if run.path])
        if total > room:
            left = f"{total - done} of {total} choices of whole runs were left out"
            self.survey.notes.append(f"{left} (at most {self._rules.max_runs} runs).")

    def _walk(self, entry: Entry, choice: _Choice | None) -> ProjectInterpreter:
        picks = [text for text in entry.picks if choice is None or not choice.group or not text.startswith(f"{choice.group}=")]
        extra = [choice.override] if choice is not None and choice.override else []
        named = [f"--config-name={choice.config_name}"] if choice is not None and choice.config_name else []
        name = " ".join([entry.name, *picks, *extra, *named])
        path = choice.path if choice is not None else None
        text = self._experiment.text(path) or "" if path is not None else ""
        only_compose = bool(self._old) or self._steps > MOST_STEPS
        start = EntryPoint(
            name,
            entry.module,
            entry.function,
            (*entry.overrides, *picks, *extra),
            choice.config_name if choice is not None else None,
            only_compose,
        )
        walked = ProjectInterpreter(self._modules, self._experiment.text, self._configs, start, self._roots)
        walked.walk()
        self._steps += walked.steps
        self._walked += not only_compose
        walked.trace.keep(Access, lambda access: self._is_certain(access, walked.trace))
        self.survey.runs.append(Run(name, path, text, None, from_plan=False))
        self.survey.traces.append(walked.trace)
        return walked

    def _is_certain(self, access: Access, trace: Trace) -> bool:
        """Whether an access tells something of every use.

        Mandatory values and empty groups are filled in on the command line, and so are keys that a documented command adds.
        """
        if access.status == "missing" or re.search(rf"(?<![\w.]){re.escape('.'.join(access.path))}(?:\.[\w.]+)?=", self._commands):
            return False
        composition = trace.composition
        for group, choice in composition.choices.items() if composition is not None else ():
            if choice in (None, "???"):
                package = tuple(group.partition("@")[2].split(".") if "@" in group else group.split("/"))
                if access.path[: len(package)] == package:
                    return False
        return True

    def _choices(self, walked: ProjectInterpreter, picks: tuple[str, ...]) -> list[_Choice]:
        """The further runs of an entry point.

        Choices of groups of whole runs, the other choices of the one group that it asks for, files that start a sweep, primary configs by
        name.
        """
        if walked.hydra.where is None or walked.hydra.where[0] is None:
            return []
        folder, name = walked.hydra.where
        prefix = "" if folder in ("", ".") else f"{folder}/"
        files = [file for file in self._experiment.with_suffix(".yaml", ".yml") if file.path.startswith(prefix)]
        given = {text.partition("=")[0].lstrip("+") for text in walked.entry.overrides}
        asked = picks[0].partition("=")[0] if len(picks) == 1 else None
        found = []
        for file in files:
            relative, _, _ = file.path.removeprefix(prefix).rpartition(".")
            group, _, choice = relative.partition("/")
            if not choice:
                if name is None and walked.entry.config_name is None and walked.hydra.folder_is_named:
                    found.append(_Choice(file.path, config_name=relative))
            elif asked == relative.rpartition("/")[0]:
                override = f"{asked}={relative.rpartition('/')[2]}"
                found += [_Choice(file.path, override=override)] if override not in picks else []
            elif group in given or group == "hydra":
                continue
            elif group in self._rules.run_groups or _starts_sweep(file.text or ""):
                found.append(_Choice(file.path, override=f"{group}={choice}"))
        return found

    def _forgive_bare_start(self, entry: Entry) -> None:
        """Drop what only a start without a choice shows, where a group of whole runs has choices and is empty by default."""
        bare, *others = [trace for trace in self.survey.traces if _belongs(trace, entry)] or [Trace("", "")]
        composition = bare.composition
        if not others or composition is None or not any(composition.choices.get(group, "") is None for group in self._rules.run_groups):
            return
        seen = {(access.site, access.path) for trace in others for access in trace.accesses}
        bare.keep(Access, lambda access: (access.site, access.path) in seen)
        broken = {
            path
            for trace in others
            if trace.composition
            for path, entry_ in trace.composition.interpolations.items()
            if entry_.status == "broken"
        }
        for path in [path for path, found in composition.interpolations.items() if found.status == "broken" and path not in broken]:
            composition.interpolations[path] = replace(composition.interpolations[path], status="unknown")

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


def _belongs(trace: Trace, entry: Entry) -> bool:
    return trace.run_id == entry.name or trace.run_id.startswith(f"{entry.name} ")


def _starts_sweep(text: str) -> bool:
    if "hydra" not in text or ("sweeper" not in text and "MULTIRUN" not in text):
        return False
    document = parse_yaml(text)
    return document.get(("hydra", "mode")) == "MULTIRUN" or isinstance(document.get(("hydra", "sweeper", "params")), dict)
