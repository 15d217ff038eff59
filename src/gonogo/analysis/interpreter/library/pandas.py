"""pandas: tables of records that are all known."""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import Arguments, Value, Walk, let_go
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.values.column import Column
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.table import table_of
from gonogo.analysis.interpreter.values.varied import settled


@LIBRARY.call("pandas.DataFrame", "pandas.DataFrame.from_records")
def data_frame(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`pd.DataFrame(records)` and `pd.DataFrame({"column": values})`."""
    data = settled(given.get(0, "data"))
    if len(given.positional) > 1 or set(given.keywords) - {"data"} or given.open:
        return UNHANDLED
    if isinstance(data, Sequence) and not data.open:
        records = [_record(entry) for entry in map(settled, data.values)]
        is_open = any(isinstance(entry, Mapping) and (entry.open or entry.maybe) for entry in map(settled, data.values))
        return _made(walk, given, records, open=is_open)
    columns = _record(data) if isinstance(data, Mapping) and not (data.open or data.maybe) else None
    lists = {name: settled(value) for name, value in (columns or {}).items()}
    if not lists or not all(isinstance(value, Column) or (isinstance(value, Sequence) and not value.open) for value in lists.values()):
        return UNHANDLED
    entries = {name: list(value.entries if isinstance(value, Column) else value.values) for name, value in lists.items()}
    if len({len(each) for each in entries.values()}) != 1:
        return UNHANDLED
    count = len(next(iter(entries.values())))
    return _made(walk, given, [{name: each[place] for name, each in entries.items()} for place in range(count)])


@LIBRARY.call("pandas.DataFrame.from_dict")
def from_dict(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`pd.DataFrame.from_dict(by_run, orient="index")`."""
    data = settled(given.get(0, "data"))
    outer = _record(data) if isinstance(data, Mapping) and not (data.open or data.maybe) else None
    if given.keywords.get("orient", Scalar("columns")).constant() != "index" or set(given.keywords) - {"data", "orient"} or outer is None:
        return UNHANDLED
    inner = [settled(value) for value in outer.values()]
    is_open = any(isinstance(value, Mapping) and (value.open or value.maybe) for value in inner)
    return _made(walk, given, [_record(value) for value in inner], [Scalar(name) for name in outer], is_open)


@LIBRARY.call("pandas.Series", "numpy.array", "numpy.asarray", "pandas.to_numeric")
def series(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """What is made of a column is that column."""
    data = settled(given.get(0, "data"))
    return data if isinstance(data, Column) else UNHANDLED


def _record(value: Value) -> dict[str, Value] | None:
    """What surely stands under the keys of a dict of texts; None where there may be others than texts."""
    if not isinstance(value, Mapping):
        return None
    pairs = [(name, each) for name, each in value.items.pairs() if name not in value.maybe]
    return {str(name): each for name, each in pairs} if all(isinstance(name, str) for name, _ in pairs) else None


def _made(
    walk: Walk, given: Arguments, records: list[dict[str, Value] | None], labels: list[Scalar] | None = None, open: bool = False
) -> Value | Unhandled:
    rows = [record for record in records if record is not None]
    if not rows or len(rows) != len(records):
        return UNHANDLED
    let_go(walk, given)  # whatever the cells were read from counts as read
    return table_of(rows, labels, open)
