"""Which columns of a table features and targets are, and what a column was computed from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from gonogo.analysis.dataflow.blocks import Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Display, Item, Operation, Span, Value, constant, number, options, plain, text
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.cuts import INNER, model_fits
from gonogo.analysis.rows.learners import CHAINS, Fit
from gonogo.analysis.rows.origins import Origins, table_of
from gonogo.analysis.rows.parts import is_split_call

MAX_STEPS = 40
# Methods and functions that leave the columns of a table as they are.
_SAME = words(
    """
    copy reset_index dropna fillna sample to_numpy astype sort_values sort_index head tail drop_duplicates replace round interpolate clip
    ffill bfill set_index query fit_transform transform array asarray from_numpy as_tensor tensor float infer_objects convert_dtypes pad
    DataFrame ascontiguousarray nan_to_num
    """
)
_OF_THE_ARGUMENT = frozenset({"fit_transform", "transform"})


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        table: what they are taken from.
        only: their names, None where they are all but `without`.
        without: names of columns that are left out.
        passed: the tables on the way, each made of the next: a column that is written into another copy is in none of them.
    """

    table: Value
    only: frozenset[str] | None
    without: frozenset[str] = frozenset()
    passed: frozenset[Value] = field(default=frozenset(), compare=False)

    def has(self, name: str) -> bool:
        """Whether a column of the table is among them."""
        return name in self.only if self.only is not None else name not in self.without


def columns_of(value: Value) -> Columns | None:
    """The columns that a table or array of features has; None where that is not known for sure."""
    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    passed: set[Value] = set()
    for _ in range(MAX_STEPS):
        value = base(value)
        passed.add(value)
        taken = _step(value)
        if taken is None:
            return Columns(value, only, without, frozenset(passed))
        inner, chosen, dropped, known = taken
        if not known:
            return None
        if chosen is not None and only is None:
            only = chosen
        if only is None:
            without |= dropped
        value = inner
    return None


Taken = tuple[Value, frozenset[str] | None, frozenset[str], bool]
_NONE: frozenset[str] = frozenset()


def _step(value: Value) -> Taken | None:
    if isinstance(value, Item):
        return _of_item(value)
    if isinstance(value, Attribute):
        return (value.owner, None, _NONE, True) if value.name in ("values", "loc", "iloc") else None
    if not isinstance(value, Call):
        return None
    if value.method == "drop" and value.receiver is not None:
        return _of_drop(value)
    if value.method in _OF_THE_ARGUMENT and value.arguments:
        if value.receiver is not None and has_chain(value.receiver):
            return value.arguments[0], None, _NONE, False  # it takes the columns that it is told to
        return value.arguments[0], None, _NONE, True
    if value.short in _SAME:
        inner = value.receiver if value.receiver is not None and not value.name else value.arguments[0] if value.arguments else None
        return (inner, None, _NONE, True) if inner is not None else None
    return None


def _of_item(item: Item) -> Taken | None:
    owner, key = base(item.owner), plain(item.key)
    index = constant(key)
    if isinstance(owner, Call) and is_split_call(owner) and isinstance(index, int):
        place = index // 2
        return (owner.arguments[place], None, _NONE, True) if owner.short == "train_test_split" and place < len(owner.arguments) else None
    if isinstance(index, str):
        return owner, frozenset({index}), _NONE, True
    if isinstance(key, Display) and key.kind == "tuple" and len(key.items) == 2 and isinstance(owner, Attribute):
        inner = plain(key.items[1])
        if isinstance(inner, Span):
            return owner, None, _NONE, inner.start is None and inner.stop is None
        names = _texts(inner)
        return owner, names, _NONE, names is not None
    names = _texts(key)
    if names is not None:
        return owner, names, _NONE, True
    if isinstance(key, (Span, Operation)):
        return owner, None, _NONE, not isinstance(key, Operation) or key.operator not in ("+", "-")
    return owner, None, _NONE, False


def _of_drop(call: Call) -> Taken | None:
    assert call.receiver is not None
    labels = call.argument(0 if "index" not in call.keywords else None, "columns", "labels")
    if labels is None:
        return call.receiver, None, _NONE, True
    if "columns" not in call.keywords and constant(call.argument(1, "axis")) not in (1, "columns"):
        return call.receiver, None, _NONE, True  # rows are dropped
    names = _texts(labels)
    return call.receiver, None, names or _NONE, names is not None


def _texts(value: Value) -> frozenset[str] | None:
    """The names in a literal, or in a list that is written out and never added to."""
    value = plain(value)
    single = text(value)
    if single is not None:
        return frozenset({single})
    if isinstance(value, Display) and not value.is_open and not value.added:
        names = [text(entry) for entry in value.items]
        if names and all(name is not None for name in names):
            return frozenset(name for name in names if name is not None)
    return None


@dataclass(frozen=True)
class Supervised:
    """Features and target that a model is fitted to.

    Attributes:
        at: the call.
        features: their columns.
        table: that both are from.
        target: the name of the target's column.
    """

    at: Call
    features: Columns
    table: Value
    target: str


class Tables:
    """The columns that are written into the tables of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.writes: dict[Value, dict[str, list[Write]]] = {}
        self._names: dict[Value, tuple[Value, str]] = {}
        for owner, listed in program.known(Origins).writes.items():
            found = columns_of(owner)
            table = found.table if found is not None else owner
            for write in listed:
                name = _written(write)
                if name is not None:
                    self.writes.setdefault(table, {}).setdefault(name, []).append(write)
                    self._names.setdefault(base(write.value), (table, name))

    def column_of(self, value: Value) -> tuple[Value, str] | None:
        """The table and the name of the column that a value is."""
        for _ in range(MAX_STEPS):
            value = base(value)
            if value in self._names:
                return self._names[value]
            if isinstance(value, Item) and isinstance(name := constant(value.key), str):
                found = columns_of(value.owner)
                return (found.table, name) if found is not None else None
            if isinstance(value, Attribute) and value.name == "values":
                value = value.owner
                continue
            if (
                isinstance(value, Call)
                and value.method in ("to_numpy", "astype", "copy", "reset_index", "ravel", "squeeze", "tolist")
                and value.receiver
            ):
                value = value.receiver
                continue
            if isinstance(value, Item):
                taken = _of_item(value)
                if taken is None or not taken[3]:
                    return None
                value = taken[0]
                continue
            return None
        return None

    def written(self, fit: Supervised) -> dict[str, list[Write]]:
        """Return the columns written into the table that features come from.

        Writes into a table on the way to that table count as well.
        """
        found: dict[str, list[Write]] = {}
        for name, writes in self.writes.get(fit.table, {}).items():
            own = [write for write in writes if _written_into(write) in fit.features.passed]
            if own:
                found[name] = own
        return found

    def supervised(self) -> Iterator[Supervised]:
        """Every fit whose features and target are known columns of one table."""
        for call, data, target in self._given():
            column = self.column_of(target)
            features = columns_of(data) if column is not None else None
            if column is None or features is None or features.table is not column[0]:
                continue
            if not self._taken_out(features.table, column[1]):
                yield Supervised(call, features, column[0], column[1])

    def _given(self) -> Iterator[tuple[Call, Value, Value]]:
        for fit in self.program.known(model_fits):
            if fit.target is not None and not _chooses_columns(fit):
                yield fit.event.call, fit.data, fit.target
        for event in self.program.calls(*INNER):
            data, target = event.call.argument(1, "X"), event.call.argument(2, "y")
            learner = event.call.argument(0, "estimator")
            if data is not None and target is not None and (learner is None or not has_chain(learner)):
                yield event.call, data, target

    def _taken_out(self, table: Value, name: str) -> bool:
        """Whether a column is taken out of a table in place."""
        for event in self.program.calls("pop", "drop"):
            call = event.call
            if (
                call.receiver is not None
                and (table_of(call.receiver) is table or ((found := columns_of(call.receiver)) is not None and found.table is table))
                and (call.method == "pop" or constant(call.argument(None, "inplace")) is True)
            ):
                return True
        module = table.module
        return any(
            isinstance(target, ast.Subscript) and (not isinstance(target.slice, ast.Constant) or target.slice.value == name)
            for node in module.of(ast.Delete)
            for target in node.targets
        )


def _written_into(write: Write) -> Value:
    """The table that a column is written into."""
    owner = base(write.owner)
    while isinstance(owner, Attribute) and owner.name in ("loc", "iloc", "at"):
        owner = base(owner.owner)
    return owner


def _written(write: Write) -> str | None:
    """The name of the column that is written."""
    key = write.key
    if isinstance(key, str) or key is None:
        return None
    key = plain(key)
    if isinstance(key, Display) and key.kind == "tuple" and len(key.items) == 2:
        key = plain(key.items[1])  # `df.loc[:, "name"]`
    return text(key)


def _chooses_columns(fit: Fit) -> bool:
    return has_chain(fit.learner)


def has_chain(learner: Value) -> bool:
    """Whether a model chooses among the columns itself."""
    pending, depth = [learner], 0
    while pending and depth < 60:
        depth += 1
        for made in options(base(pending.pop(0))):
            made = base(made)
            if isinstance(made, Call) and made.short in (CHAINS - {"Pipeline", "make_pipeline"}) | {
                "FunctionTransformer",
                "DataFrameMapper",
            }:
                return True
            if isinstance(made, (Call, Display)):
                pending += list(made.inputs())
    return False


# Methods through which a row sees others: earlier or later ones, those of its group.
IN_TIME = frozenset(
    {"shift", "rolling", "diff", "pct_change", "expanding", "ewm", "cumsum", "cummax", "cummin", "lag", "bfill", "ffill", "interpolate"}
)


def shift_of(call: Call) -> float | None:
    """By how many rows `shift`, `diff` or `pct_change` looks back; negative: ahead."""
    if call.method not in ("shift", "diff", "pct_change"):
        return None
    given = call.argument(0, "periods")
    return number(given) if given is not None else 1.0
