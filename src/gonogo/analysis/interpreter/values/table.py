"""Pandas tables of which all rows are known, and their groups.

Evaluations make such tables of one record for each run.

Of a cell at least this much is known: which run it comes from. What is not modelled gives something unknown, and a change that is not
modelled makes the table one of which nothing is known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Items, Value, Walk, let_go
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, NoDefault
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.column import Column, chosen_by, has_constant, mapping_of, place_of
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.tracked import FromRuns, gathered

Rows = tuple[tuple[Value, ...], ...]
SAME = frozenset({"copy", "dropna", "fillna", "convert_dtypes", "infer_objects", "round"})
MOVED = frozenset({"iloc", "iat", "loc", "at"})
REDUCED = frozenset({"mean", "median", "max", "min", "sum", "first", "last"})
MAX_ROWS = 32


class Table(Value):
    """Rows of one cell for each column.

    Attributes:
        columns: their names.
        cells: by row; None once nothing is known of them.
        labels: of each row.
        open: it may have other columns, of whose cells nothing is known.
    """

    __slots__ = ("_cells", "_columns", "_labels", "open")
    inert = True
    cells = Field[Rows | None]()
    columns = Field[tuple[str, ...]]()
    labels = Field[tuple[Value, ...]]()

    def __init__(
        self, columns: Iterable[str], cells: Iterable[Iterable[Value]], labels: Iterable[Value] | None = None, open: bool = False
    ) -> None:
        rows = tuple(tuple(row) for row in cells)
        self._columns: object = tuple(columns)
        self._cells: object = rows
        self._labels: object = tuple(labels) if labels is not None else tuple(Scalar(place) for place in range(len(rows)))
        self.open = open

    def truth(self) -> bool | None:
        """pandas refuses to say."""
        return None

    def length(self, walk: Walk) -> int | None:
        """How many rows it has."""
        return None if self.cells is None else len(self.cells)

    def iterate(self, walk: Walk) -> Items:
        """The names of its columns."""
        return Items([Scalar(name) for name in self.columns], self.cells is not None and not self.open)

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether it has a column."""
        found = None if self.cells is None else has_constant([Scalar(name) for name in self.columns], item)
        return None if self.open and not found else found

    def column(self, name: object) -> Column | None:
        """The column of a name; None where there is none, or nothing is known."""
        if self.cells is None or not isinstance(name, str):
            return None
        if name not in self.columns:
            return Column([UNKNOWN] * len(self.cells), self.labels) if self.open else None
        place = self.columns.index(name)
        return Column([row[place] for row in self.cells], self.labels)

    def row(self, place: int) -> Column:
        """A row by its place, under the names of the columns."""
        return Column((self.cells or ())[place], [Scalar(name) for name in self.columns])

    def chosen(self, places: Iterable[int]) -> Table:
        """A table of some of the rows."""
        cells, listed = self.cells or (), list(places)
        return Table(self.columns, [cells[place] for place in listed], [self.labels[place] for place in listed], self.open)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """A column, some columns, or the rows that a mask keeps."""
        if self.cells is None:
            return UNKNOWN
        if isinstance(key, Column):
            kept = chosen_by(key, len(self.cells))
            return UNKNOWN if kept is None else self.chosen(kept)
        if isinstance(key, Sequence) and not key.open and key.kind == "list":
            names = [entry.constant() for entry in key.values]
            wanted = [name for name in names if isinstance(name, str) and name in self.columns]
            return self.narrowed(wanted) if len(wanted) == len(names) else UNKNOWN
        return self.column(key.constant()) or UNKNOWN

    def narrowed(self, names: PlainSequence[str]) -> Table:
        """A table of some of the columns."""
        places = [self.columns.index(name) for name in names]
        return Table(names, [[row[place] for place in places] for row in self.cells or ()], self.labels)

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """Another column."""
        name, cells = key.constant(), self.cells
        if cells is None or not isinstance(name, str) or walk.state.uncertain:
            walk.memory.set(self, "cells", None)
            return
        added = value.entries if isinstance(value, Column) and len(value.entries) == len(cells) else (UNKNOWN,) * len(cells)
        if name in self.columns:
            place = self.columns.index(name)
            rows = tuple((*row[:place], entry, *row[place + 1 :]) for row, entry in zip(cells, added, strict=True))
        else:
            rows = tuple((*row, entry) for row, entry in zip(cells, added, strict=True))
            walk.memory.set(self, "columns", (*self.columns, name))
        walk.memory.set(self, "cells", rows)

    def delete_item(self, walk: Walk, key: Value, at: ast.AST) -> None:
        """One column less."""
        walk.memory.set(self, "cells", None)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Whoever gets it may change it, but hardly does."""

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """What pandas has, or a column."""
        if self.cells is None:
            return UNKNOWN
        found = self.column(name) if name in self.columns and not hasattr(Known, name) else None
        if found is not None:
            return found
        if name == "columns":
            return UNKNOWN if self.open else Column([Scalar(entry) for entry in self.columns])
        if name == "index":
            return Column(self.labels)
        if name in ("empty", "shape"):
            width = UNKNOWN if self.open else Scalar(len(self.columns))
            shape = Sequence([Scalar(len(self.cells)), width], kind="tuple")
            return Scalar(not self.cells) if name == "empty" else shape
        if name == "T":
            return self.turned()
        return Placed(self, name in ("loc", "at")) if name in MOVED else BoundMethod(self, name)

    def turned(self) -> Value:
        """Rows for columns; unknown where a row's label is no text."""
        names, cells = [label.constant() for label in self.labels], self.cells or ()
        if self.open or not all(isinstance(name, str) for name in names):
            return UNKNOWN
        rows = [[row[place] for row in cells] for place in range(len(self.columns))]
        return Table([str(name) for name in names], rows, [Scalar(name) for name in self.columns])

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a table."""
        let_go(walk, given)
        if self.cells is None:
            return UNKNOWN
        if "inplace" in given.keywords or given.open:
            walk.memory.set(self, "cells", None)
            return UNKNOWN
        method = getattr(Known, name, None)
        if name in SAME:
            return Table(self.columns, self.cells, self.labels, self.open)
        return method(self, walk, given) if method is not None else UNKNOWN


class Known:
    """The methods of tables that are modelled, by their names."""

    @staticmethod
    def set_index(table: Table, walk: Walk, given: Arguments) -> Value:
        """A column becomes the labels."""
        name = given.get(0, "keys").constant()
        column = table.column(name)
        if column is None:
            return UNKNOWN
        kept = [entry for entry in table.columns if entry != name or given.keywords.get("drop", Scalar(True)).constant() is False]
        narrow = table.narrowed(kept)
        return Table(kept, narrow.cells or (), column.entries, table.open)

    @staticmethod
    def reset_index(table: Table, walk: Walk, given: Arguments) -> Value:
        """The labels are numbers again; the column that they become has a name that is not kept here."""
        is_plain = given.keywords.get("drop", UNKNOWN).constant() is True
        return Table(table.columns, table.cells or (), open=table.open) if is_plain else UNKNOWN

    @staticmethod
    def sort_values(table: Table, walk: Walk, given: Arguments) -> Value:
        """Rows in order, where what orders them is known."""
        column = table.column(given.get(0, "by").constant())
        upwards = given.keywords.get("ascending", Scalar(True)).constant()
        keys = [entry.constant() for entry in column.entries] if column is not None else []
        texts = [(key, place) for place, key in enumerate(keys) if isinstance(key, str)]
        if not isinstance(upwards, bool) or not texts or len(texts) != len(keys) or len(set(keys)) != len(keys):
            return UNKNOWN
        return table.chosen(place for _, place in sorted(texts, reverse=not upwards))

    @staticmethod
    def head(table: Table, walk: Walk, given: Arguments) -> Value:
        """The first rows."""
        count = given.get(0, "n", Scalar(5)).constant()
        return table.chosen(range(len(table.cells or ()))[:count]) if type(count) is int else UNKNOWN

    @staticmethod
    def iterrows(table: Table, walk: Walk, given: Arguments) -> Value:
        """Labels and rows."""
        rows = [Sequence([label, table.row(place)], kind="tuple") for place, label in enumerate(table.labels)]
        return Sequence(rows)

    @staticmethod
    def to_dict(table: Table, walk: Walk, given: Arguments) -> Value:
        """`to_dict("records")` and `to_dict("index")`."""
        how, names = given.get(0, "orient").constant(), [Scalar(name) for name in table.columns]
        if how not in ("records", "index") or table.open:
            return UNKNOWN
        rows = [mapping_of(names, row) for row in table.cells or ()]
        return Sequence(rows) if how == "records" else mapping_of(table.labels, rows)

    @staticmethod
    def query(table: Table, walk: Walk, given: Arguments) -> Value:
        """The rows for which `column == "text"`, or `!=`, is true."""
        text = given.get(0, "expr").constant()
        try:
            node = ast.parse(text, mode="eval").body if isinstance(text, str) else None
        except (SyntaxError, ValueError):
            return UNKNOWN
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.left, ast.Name)):
            return UNKNOWN
        column, right = table.column(node.left.id), node.comparators[0]
        if column is None or not isinstance(right, ast.Constant) or not isinstance(right.value, (str, int)):
            return UNKNOWN
        mask = column.compared(walk, node.ops[0], Scalar(right.value))
        return table.item(walk, mask, node) if isinstance(mask, Column) else UNKNOWN

    @staticmethod
    def groupby(table: Table, walk: Walk, given: Arguments) -> Value:
        """Groups of the rows with the same plain value in a column."""
        name = given.get(0, "by").constant()
        column = table.column(name)
        found = [entry.constant() for entry in column.entries] if column is not None else []
        keys = [key for key in found if isinstance(key, str)]
        if not keys or len(keys) != len(found) or set(given.keywords) - {"by", "sort", "observed"}:
            return UNKNOWN
        order = sorted(set(keys)) if given.keywords.get("sort", Scalar(True)).constant() is True else list(dict.fromkeys(keys))
        groups = [(key, table.chosen(place for place, each in enumerate(keys) if each == key)) for key in order]
        return Grouped(groups, [entry for entry in table.columns if entry != name], open=table.open)


class Grouped(Value):
    """`table.groupby(column)`, or one column or some of it.

    Attributes:
        groups: the rows by what they have in common.
        columns: that are asked for.
        single: the one column, where it is asked for by its name alone.
        open: the tables may have other columns.
    """

    __slots__ = ("columns", "groups", "open", "single")
    inert = immutable = True

    def __init__(self, groups: list[tuple[str, Table]], columns: list[str], single: str | None = None, open: bool = False) -> None:
        self.groups = groups
        self.open = open
        self.columns = columns
        self.single = single

    def length(self, walk: Walk) -> int:
        """How many groups there are."""
        return len(self.groups)

    def _of(self, table: Table) -> Value:
        return table if self.single is None else table.column(self.single) or UNKNOWN

    def iterate(self, walk: Walk) -> Items:
        """What each group has in common, with its rows."""
        return Items([Sequence([Scalar(key), self._of(table)], kind="tuple") for key, table in self.groups], True)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """A column."""
        name = key.constant()
        if isinstance(name, str) and (name in self.columns or self.open):
            return Grouped(self.groups, [name], name)
        names = [entry.constant() for entry in key.values] if isinstance(key, Sequence) and not key.open else [NOT_KNOWN]
        known = [entry for entry in names if isinstance(entry, str) and entry in self.columns]
        return Grouped(self.groups, known) if len(known) == len(names) else UNKNOWN

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A column, or a method."""
        return Grouped(self.groups, [name], name) if name in self.columns else BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """One row or entry for each group, or the rows of one group."""
        let_go(walk, given)
        if name == "get_group":
            wanted = given.get(0, "name").constant()
            return next((self._of(table) for key, table in self.groups if key == wanted), UNKNOWN)
        asked = given.get(0, "func").constant() if name in ("agg", "aggregate") else name
        if asked not in REDUCED:
            return UNKNOWN
        labels = [Scalar(key) for key, _ in self.groups]
        if self.single is not None:
            return Column([_one(table.column(self.single)) for _, table in self.groups], labels)
        return Table(self.columns, [[_one(table.column(name)) for name in self.columns] for _, table in self.groups], labels, self.open)


class Placed(Value):
    """`table.loc` and `table.iloc`."""

    __slots__ = ("by_label", "owner")
    inert = immutable = True

    def __init__(self, owner: Table, by_label: bool) -> None:
        self.owner = owner
        self.by_label = by_label

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """Rows, and of these a column where one is named."""
        owner = self.owner
        if owner.cells is None:
            return UNKNOWN
        if isinstance(key, Sequence) and key.kind == "tuple" and len(key.values) == 2 and self.by_label:
            rows = self.item(walk, key.values[0], at)
            return rows.item(walk, key.values[1], at) if isinstance(rows, (Table, Column)) else UNKNOWN
        if isinstance(key, Column):
            return owner.item(walk, key, at)
        if self.by_label:
            place = place_of(owner.labels, key)
            return UNKNOWN if place is None else owner.row(place)
        index = key.constant()
        there = type(index) is int and -len(owner.cells) <= index < len(owner.cells)
        return owner.row(index) if there else UNKNOWN  # type: ignore[arg-type]

    def set_item(self, walk: Walk, key: Value, value: Value, at: ast.AST) -> None:
        """Some cells are others now."""
        walk.memory.set(self.owner, "cells", None)


def _one(column: Column | None) -> Value:
    """What one number made of a column's entries comes from."""
    if column is None:
        return UNKNOWN
    if len(column.entries) == 1 and isinstance(column.entries[0], FromRuns):
        return column.entries[0]
    return gathered(list(column.entries)) or UNKNOWN


def table_of(rows: PlainSequence[dict[str, Value]], labels: Iterable[Value] | None = None, open: bool = False) -> Value:
    """Return the table of some records.

    Unknown where there are none or very many. A cell that a record lacks is not known.
    """
    if not rows or len(rows) > MAX_ROWS:
        return UNKNOWN
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(names, [[row.get(name, UNKNOWN) for name in names] for row in rows], labels, open)
