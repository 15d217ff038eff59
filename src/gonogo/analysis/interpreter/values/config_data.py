"""Config nodes from plain data: what Hydra composed for each run, or what a YAML file holds."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as PlainSequence
from typing import Any, NamedTuple

from gonogo.analysis.interpreter.base import UNKNOWN, Constant, Spread, Value
from gonogo.analysis.interpreter.markers import FILLER, OPEN
from gonogo.analysis.interpreter.memory import Memory
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.values.config_node import ConfigNode, Interpolated
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import LIST_CONFIG, Sequence
from gonogo.compose.client import Interpolation

WITHOUT_REFERENCES = 2  # version of marshal's format in which equal data are equal bytes


class Source(NamedTuple):
    """Plain data for some runs."""

    runs: int
    data: Any


def placed(data: dict[str, Any], interpolations: Mapping[Path, Interpolation]) -> dict[str, Any]:
    """Composed data with each interpolation in place of its text."""
    result = dict(data)
    for path, entry in interpolations.items():
        here: Any = result
        for key in path[:-1]:
            place = _place(here, key)
            if place is None:
                break
            here[place] = inner = _copy(here[place])
            here = inner
        else:
            place = _place(here, path[-1])
            if place is not None and here[place] == entry.text:
                here[place] = entry
    return result


def _place(data: Any, key: str) -> Any:
    if isinstance(data, dict):
        return key if key in data else next((other for other in data if str(other) == key), None)
    if isinstance(data, list) and key.isdecimal() and int(key) < len(data):
        return int(key)
    return None


def _copy(data: Any) -> Any:
    return dict(data) if isinstance(data, dict) else list(data) if isinstance(data, list) else data


def build(
    memory: Memory,
    sources: Iterable[Source],
    path: Path = (),
    config: bool = True,
    parent: ConfigNode | None = None,
    struct: bool | None = None,
) -> Value:
    """Turn plain data into nodes that remember where they stood.

    Data that differ between runs become alternatives.
    """
    groups: dict[object, list[Source]] = {}
    for part in _merged(list(sources)):
        groups.setdefault(_kind(part.data, path), []).append(part)
    place = _Place(memory, path, config, parent, struct)
    return memory.combine((_runs(group), _of_kind(place, group)) for group in groups.values())  # type: ignore[no-any-return]


class _Place(NamedTuple):
    """The place where a value is to be put.

    It has a path, is in a DictConfig or a plain dict, is in a node, and is in struct mode or not.
    """

    memory: Memory
    path: Path
    config: bool
    parent: ConfigNode | None
    struct: bool | None


def _kind(data: Any, path: Path) -> object:
    """Data of the same kind become one value."""
    if isinstance(data, dict):
        return "open" if path and len(data) == 1 and OPEN in data else "mapping"
    return ("list", len(data)) if isinstance(data, list) else "plain"


def _of_kind(place: _Place, parts: list[Source]) -> Value:
    memory, path, config, _, _ = place
    first = parts[0].data
    if isinstance(first, dict):
        return UNKNOWN if _kind(first, path) == "open" else _node(place, parts)
    if isinstance(first, list):
        columns = ([Source(runs, data[index]) for runs, data in parts] for index in range(len(first)))
        items = [build(memory, column, (*path, str(index)), config) for index, column in enumerate(columns)]
        return Sequence(items, kind=LIST_CONFIG if config else "list", path=path)
    return memory.combine((runs, _plain(place, data)) for runs, data in parts)  # type: ignore[no-any-return]


def _plain(place: _Place, data: Any) -> Value:
    if isinstance(data, Interpolation):
        result = [Source(place.memory.now, data.value)]
        resolved = build(place.memory, result, place.path, place.config) if data.status == "value" else UNKNOWN
        return Interpolated(data.text, place.path, data.references, resolved, data.status == "broken")
    if isinstance(data, str):
        return UNKNOWN if FILLER in data else Scalar(data, place.path)
    return Scalar(data, place.path) if data is None or isinstance(data, (int, float, bytes)) else UNKNOWN


def _node(place: _Place, parts: list[Source]) -> Value:
    memory, path, config, parent, struct = place
    orders = [[key for key in data if key != OPEN] for _, data in parts]
    keys = list(dict.fromkeys(key for order in orders for key in order))
    order_of = {key: index for index, key in enumerate(keys)}
    if any(sorted(order, key=order_of.__getitem__) != order for order in orders):
        return memory.combine((part.runs, _node(place, [part])) for part in parts)  # type: ignore[no-any-return]
    node = ConfigNode(path, config, parent, struct=struct)
    items: dict[Constant, Value] = {}
    for key in keys:
        inner = [Source(runs, data[key]) for runs, data in parts if key in data]
        value = build(memory, inner, (*path, str(key)), config, node)
        lacking = _runs(part for part in parts if key not in part.data)
        items[str(key)] = memory.combine([(_runs(inner), value), (lacking, ABSENT)]) if lacking else value
    node.hold(Spread(items, open=memory.combine((runs, OPEN in data) for runs, data in parts)))
    return node


def _runs(parts: Iterable[Source]) -> int:
    return sum(part.runs for part in parts)


def _merged(parts: PlainSequence[Source]) -> list[Source]:
    """Equal data are one source."""
    if len(parts) == 1:
        return list(parts)
    found: dict[object, Source] = {}
    for index, part in enumerate(parts):
        try:
            key: object = marshal.dumps(part.data, WITHOUT_REFERENCES)  # `==` takes 1 for True
        except ValueError:
            key = index  # it holds an interpolation
        found[key] = Source(found[key].runs | part.runs, part.data) if key in found else part
    return list(found.values())
