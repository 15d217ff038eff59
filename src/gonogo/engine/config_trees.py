"""The config of each run, key by key: its value, where it is written, and which code reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from gonogo.analysis.interpreter.trace import Path, Trace
from gonogo.analysis.project.config_places import ConfigPlaces, paths_of, value_at
from gonogo.engine.facts import Facts
from gonogo.engine.uses import FULL, config_uses, shown
from gonogo.model.config_use import ConfigKey, ConfigUse, Held, RunConfig
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location


def config_trees(facts: Facts) -> list[RunConfig]:
    """Return what each run composes, in the order of the runs.

    Args:
        facts: of an experiment whose static stages are over.
    """
    uses = config_uses(facts)
    if not uses:
        return []
    traces: list[Trace] = facts.get("traces")
    of_runs: dict[str, Trace] = {}
    for trace in traces:
        if trace.composition is not None and (trace.run_id not in of_runs or trace.command == FULL):
            of_runs[trace.run_id] = trace
    return [RunConfig(run=run, keys=tuple(_Tree(trace, traces, uses, facts.get("config_places")).keys())) for run, trace in of_runs.items()]


def pointed_into(configs: Iterable[RunConfig], experiment: Experiment) -> dict[str, str]:
    """The texts of the files in which keys are written or read, by path."""
    paths = {place.path for config in configs for key in config.keys for place in (key.defined, *key.readers) if place is not None}
    return {path: text for path in sorted(path for path in paths if path) if (text := experiment.text(path)) is not None}


class _Tree:
    """The keys of one run.

    Args:
        trace: of the run's full command.
        traces: of all runs.
        uses: every access of the config in the code.
        places: where keys are written.
    """

    def __init__(self, trace: Trace, traces: list[Trace], uses: Iterable[ConfigUse], places: ConfigPlaces) -> None:
        self._trace = trace
        self._own = [each for each in traces if each.run_id == trace.run_id]
        self._all = traces
        self._places = places
        self._held: dict[Path, list[tuple[Location, Held]]] = {}
        for use in uses:
            for held in use.held:
                if trace.run_id in held.runs:
                    self._held.setdefault(use.path, []).append((use.location, held))

    def keys(self) -> Iterator[ConfigKey]:
        """The keys that are there, parents first, each followed by what the code asks for below it in vain."""
        composition = self._trace.composition
        assert composition is not None
        there = list(paths_of(composition.config))
        absent: dict[Path, list[Path]] = {}
        for path, held in self._held.items():
            if path not in there and all(each.value is None for _, each in held):
                absent.setdefault(path[:-1], []).append(path)
        for path in there:
            yield self._key(path, value_at(composition.config, path))
            yield from (self._absent(lacking) for lacking in absent.pop(path, ()))
        for left in absent.values():
            yield from (self._absent(lacking) for lacking in left)

    def _key(self, path: Path, value: Any) -> ConfigKey:
        held = self._held.get(path, [])
        notes = dict.fromkeys(each.note for _, each in held if each.note)
        is_section = isinstance(value, dict) and bool(value)
        return ConfigKey(
            path=path,
            value=None if is_section else shown(value),
            state="section" if is_section else self._state(path),
            note="; ".join(notes),
            defined=self._places.locate(path, self._places.runs.get(self._trace.run_id), self._trace.composition),
            readers=_readers(held),
        )

    def _absent(self, path: Path) -> ConfigKey:
        held = self._held[path]
        return ConfigKey(path=path, value=None, state="absent", note=held[0][1].note, readers=_readers(held))

    def _state(self, path: Path) -> Literal["read", "elsewhere", "unread", "unknown"]:
        if any(trace.is_used(path) for trace in self._own):
            return "read"
        if any(trace.is_used(path) for trace in self._all):
            return "elsewhere"
        return "unread" if all(trace.complete and not trace.loads_unknown for trace in self._all) else "unknown"


def _readers(held: Iterable[tuple[Location, Held]]) -> tuple[Location, ...]:
    """The places, one for each line."""
    by_line: dict[tuple[str, int | None], Location] = {}
    for location, _ in held:
        by_line.setdefault((location.source, location.line), location)
    return tuple(by_line.values())
