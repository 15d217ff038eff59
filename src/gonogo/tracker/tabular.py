"""Runs and rows of history as tables in files: CSV and Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.model.errors import UsageError
from gonogo.tracker.store import Store
from gonogo.tracker.store.intake import NUMBERS

Row = dict[str, Any]
# Rows that are held at a time.
BATCH = 5000
FIRST = ("_step", "_timestamp", "_runtime")
LIMIT_OF_COLUMNS = 5000


def flat(values: Mapping[str, Any], prefix: str = "") -> Row:
    """Entries of objects under their path with dots; lists and media as JSON."""
    found: Row = {}
    for key, value in values.items():
        if isinstance(value, dict) and value and "_type" not in value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            value = NUMBERS.get(value, value) if isinstance(value, str) else value
            found[f"{prefix}{key}"] = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
    return found


def history(store: Store, run: int) -> Callable[[], Iterator[Row]]:
    """The rows of a run, as often as they are asked for."""
    return lambda: (flat(row) for _, row in store.history.rows_at(run, store.history.places(run)))


def columns(rows: Iterable[Row], first: Sequence[str] = FIRST) -> list[str]:
    """The columns that some rows have together: certain ones first, the others by name."""
    found: set[str] = set()
    for row in rows:
        found |= row.keys()
    return [name for name in first if name in found] + sorted(found - {*first})[:LIMIT_OF_COLUMNS]


def csv_parts(rows: Callable[[], Iterable[Row]]) -> Iterator[str]:
    """Rows as CSV, part by part; what a row lacks is empty."""
    names = columns(rows())
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for number, row in enumerate(rows(), 1):
        writer.writerow([_cell(row.get(name)) for name in names])
        if number % BATCH == 0:
            yield buffer.getvalue().encode("utf-8", "replace").decode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "replace").decode()


def _cell(value: Any) -> Any:
    return "" if value is None else ("true" if value else "false") if isinstance(value, bool) else value


def write_parquet(rows: Callable[[], Iterable[Row]], path: Path) -> None:
    """Write rows as Parquet.

    Each column has integers, floats, booleans or texts; a column of several kinds holds texts.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'gonogo[parquet]'") from error
    names = columns(rows())
    kinds = _kinds(rows(), names)
    types = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_(), str: arrow.string()}
    schema = arrow.schema([(name, types[kinds[name]]) for name in names])
    with parquet.ParquetWriter(path, schema) as writer:
        batch: list[Row] = []
        for row in rows():
            batch.append({name: _typed(row.get(name), kinds[name]) for name in names})
            if len(batch) == BATCH:
                writer.write_table(arrow.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(arrow.Table.from_pylist(batch, schema))


def _kinds(rows: Iterable[Row], names: Sequence[str]) -> dict[str, type]:
    found: dict[str, set[type]] = {name: set() for name in names}
    for row in rows:
        for name, value in row.items():
            if value is not None and name in found:
                fits = isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63
                found[name].add(int if fits else str if isinstance(value, int) and not isinstance(value, bool) else type(value))
    return {name: _common(kinds) for name, kinds in found.items()}


def _common(kinds: set[type]) -> type:
    if kinds == {int, float}:
        return float
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= {int, float, bool, str} else str


def _typed(value: Any, kind: type) -> Any:
    if value is None or isinstance(value, kind):
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    return float(value) if kind is float else value if isinstance(value, str) else json.dumps(value)
