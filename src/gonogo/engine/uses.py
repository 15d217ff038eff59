"""The accesses of the config in the code with what each run has there, from what the interpreter saw."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.trace import Access, AccessKind, Path, Read, Site, Status, Trace
from gonogo.analysis.project.config_places import NOTHING, ConfigPlaces, value_at
from gonogo.compose.client import Composition
from gonogo.engine.facts import Facts
from gonogo.model.config_use import ConfigUse, Held
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location

MOST_SHOWN = 400  # characters of a value: more is no help beside the code
FULL = "full"  # the command whose runs need no word on the command
_Answer = tuple[str | None, str, Location | None]


def config_uses(facts: Facts) -> list[ConfigUse]:
    """Every access of the config that the interpreter saw, by place.

    Args:
        facts: of an experiment whose static stages are over.
    """
    if facts.get("contract").scope is Scope.PROGRAM:
        return []
    try:
        traces, places = facts.get("traces"), facts.get("config_places")
    except Exception:
        return []  # the rules that ask for them have said so in the verdict
    uses = _Uses(facts.get("experiment"), places)
    for trace in traces:
        uses.add(trace)
    return uses.made()


@dataclass
class _Uses:
    """Accesses as they are collected: by node and path, what each run has."""

    experiment: Experiment
    places: ConfigPlaces
    nodes: dict[tuple[str, int], Site] = field(default_factory=dict)
    found: dict[tuple[str, int, Path], dict[str, _Answer]] = field(default_factory=dict)

    def add(self, trace: Trace) -> None:
        """Add what one run asks for under one command."""
        label = trace.run_id if trace.command in ("", FULL) else f"{trace.run_id} ({trace.command})"
        known: dict[tuple[Path, Any, type[Any]], _Answer] = {}
        events: list[Read | Access] = [*trace.of(Read), *trace.accesses]
        for event in events:
            key = (event.site.module.path, id(event.site.node))
            self.nodes[key] = event.site
            answer: _Answer
            if isinstance(event, Read):
                asked = (event.path, event.value, type(event.value))
                if asked not in known:
                    known[asked] = self._read(event, trace)
                answer = known[asked]
            else:
                answer = self._lacking(event, trace)
            own = self.found.setdefault((*key, event.path), {})
            own[label] = answer if own.get(label, answer) == answer else _several(own[label], answer)

    def _read(self, event: Read, trace: Trace) -> _Answer:
        composed = self._composed(event.path, trace.composition)
        defined = self._defined(event.path, trace)
        if event.is_section or event.value is NOT_KNOWN:
            changed = any(path[: len(event.path)] == event.path for path in trace.written)
            value = shown(composed) if composed is not NOTHING else "…"
            return value, "the program changes it" if changed else "", defined
        is_changed = event.path in trace.written and composed is not NOTHING and composed != event.value
        return shown(event.value), f"composed as {shown(composed)}; the program changes it" if is_changed else "", defined

    def _lacking(self, event: Access, trace: Trace) -> _Answer:
        if event.status is Status.MISSING:
            return "???", "mandatory, and not given", self._defined(event.path, trace)
        if event.status is Status.ABSENT:
            has_default = event.kind is not AccessKind.IN and event.guarded and event.default is not NOT_KNOWN
            return None, f"the code goes on with {shown(event.default)}" if has_default else "", None
        above = "null" if event.status is Status.NONE else "a plain value"
        return None, f"what should hold it is {above}", self._defined(event.path[:-1], trace)

    def _composed(self, path: Path, composition: Composition | None) -> Any:
        """The value in the composed config, or in the file that the code loads itself."""
        if path[:1] == (FILE_ROOT,):
            return value_at(self.experiment.yaml(path[1]).value, path[2:])
        if composition is None:
            return NOTHING
        found = composition.interpolations.get(path)
        return found.value if found is not None and found.status == "value" else value_at(composition.config, path)

    def _defined(self, path: Path, trace: Trace) -> Location | None:
        return self.places.locate(path, self.places.runs.get(trace.run_id), trace.composition)

    def made(self) -> list[ConfigUse]:
        """The accesses by place, the runs with the same answer together."""
        made = []
        for (module, node, path), answers in self.found.items():
            runs: dict[_Answer, list[str]] = {}
            for label, answer in answers.items():
                runs.setdefault(answer, []).append(label)
            held = tuple(Held(runs=tuple(own), value=value, note=note, defined=place) for (value, note, place), own in runs.items())
            location = _key_location(self.nodes[module, node], path[-1])
            made.append(ConfigUse(location=location, path=path[2:] if path[:1] == (FILE_ROOT,) else path, held=held))
        return sorted(made, key=lambda use: (use.location.path, use.location.line or 0, use.location.column or 0, use.path))


def _several(one: _Answer, other: _Answer) -> _Answer:
    """What is said of an access that is made more than once in a run, with more than one result."""
    values = dict.fromkeys([*(one[0] or "absent").split(" or "), other[0] or "absent"])
    return " or ".join(values), one[1] or other[1], one[2] or other[2]


def shown(value: Any) -> str:
    """A value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _key_location(site: Site, key: str) -> Location:
    """Return where the key stands in the expression that reads it.

    It is the whole expression where the key is not written there as such.
    """
    node = site.node
    whole = site.module.location(node)
    if isinstance(node, ast.Attribute) and whole.end_column is not None:
        return whole.model_copy(update={"line": whole.end_line, "column": whole.end_column - len(node.attr)})
    if isinstance(node, ast.Subscript):
        return site.module.location(node.slice)
    for written in _texts(node):
        if written.value == key or str(written.value).endswith(f".{key}"):
            return site.module.location(written)
    return whole


def _texts(node: ast.AST) -> Iterator[ast.Constant]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str))
