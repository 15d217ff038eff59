"""Rows followed back: what a value took its rows from, and whether it took all of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Display,
    Element,
    Item,
    Mapping,
    Operation,
    Parameter,
    Ref,
    Repeated,
    Returned,
    Span,
    Value,
    constant,
    is_none,
    number,
    plain,
    text,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name

MAX_VALUES = 1_500
# Attributes that say something of a table or array and hold none of its rows.
_ROWLESS = words(
    """
    shape columns dtypes dtype size ndim name names feature_names target_names classes_ mean_ scale_ var_ components_ device classes
    class_to_idx n_features_in_ feature_names_in_ categories_ best_params_ explained_variance_ratio_ data_min_ data_max_ statistics_
    vocabulary_ DESCR len_ path filename
    """
)
# Calls that make one number, or a few, of many rows.
REDUCERS = words(
    """
    mean std var min max sum median quantile percentile count nunique mode describe info item any all argmax argmin len value_counts
    range corr cov nanmean nanstd nanmin nanmax nanmedian prod skew kurt ptp average norm bincount histogram unique set type
    isinstance arange linspace mean_ amin amax get_feature_names_out memory_usage size dim numel compute_class_weight print
    """
)
# Methods of estimators and transformers whose rows are those of what they are given, not of the object.
OF_THE_ARGUMENT = words(
    """
    fit_transform transform inverse_transform predict predict_proba decision_function predict_log_proba fit_resample fit_sample
    fit_predict score_samples texts_to_sequences texts_to_matrix sequences_to_matrix map_fn encode tokenize
    """
)
# Methods with another table as argument whose rows count, too.
_TOGETHER = words("append merge join concat union concatenate add sub mul div combine_first where mask")
# Methods of tables that give some of their rows.
_SOME = words("sample head tail query nlargest nsmallest filter select get_group truncate take")
_ROW_KEY = re.compile(r"idx|ind(?:ex|ices|s)?\b|indices|mask|rows?\b|perm|order|train|test|val|fold|keep|samples?\b|select", re.IGNORECASE)
_ALL = (None, 0)


@dataclass(frozen=True)
class Step:
    """One value that rows come from.

    Attributes:
        value: where they come from.
        whole: all of its rows are taken, as far as that is known.
    """

    value: Value
    whole: bool = True


def row_inputs(value: Value) -> Iterator[Step]:
    """What a value takes its rows from, directly."""
    if isinstance(value, Returned):
        yield Step(value.value)
    elif isinstance(value, Choice):
        yield from (Step(option, len(value.options) == 1) for option in value.options if not is_none(option))
    elif isinstance(value, Attribute):
        if value.name not in _ROWLESS:
            yield Step(value.owner)
    elif isinstance(value, Item):
        yield Step(value.owner, takes_all(value.key))
    elif isinstance(value, Element):
        yield Step(value.owner)
    elif isinstance(value, Operation):
        yield from (Step(operand) for operand in value.operands)
    elif isinstance(value, Display):
        yield from (Step(entry) for entry in (*value.items, *value.added))
    elif isinstance(value, Mapping):
        yield from (Step(entry) for _, entry in value.entries)
        yield from (Step(entry) for entry in value.added)
    elif isinstance(value, Repeated):
        yield Step(value.element)
        yield Step(value.source)
    elif isinstance(value, Call):
        yield from _of_call(value)


def _of_call(call: Call) -> Iterator[Step]:
    short = call.short
    if short in REDUCERS and not _keeps_rows(call):
        return
    if call.receiver is not None and not isinstance(plain(call.receiver), Ref):
        if short in OF_THE_ARGUMENT:
            yield from (Step(entry) for entry in call.arguments[:2])
            yield from _tables(call)
            return
        whole = short not in _SOME
        if short == "sample":
            whole = number(call.argument(1, "frac")) == 1
        yield Step(call.receiver, whole)
        if short in _TOGETHER:
            yield from (Step(entry) for entry in call.arguments[:1])
        return
    if short in ("where", "select"):
        yield from (Step(entry) for entry in call.arguments)
        return
    if short in ("resample", "choice"):
        yield from (Step(entry, False) for entry in call.arguments)
        return
    first = (
        call.arguments if short in ("zip", "hstack", "TensorDataset", "column_stack", "c_", "DMatrix", "Dataset") else call.arguments[:1]
    )
    if isinstance(plain(call.callee), (Function, Class, Instance)) or not call.name:
        first = call.arguments
    yield from (Step(entry) for entry in first)
    yield from _tables(call)


def _tables(call: Call) -> Iterator[Step]:
    for name in ("X", "data", "df", "x", "dataset", "objs", "array", "arrays", "tensors", "input", "a", "raw_documents", "iterable"):
        if name in call.keywords:
            yield Step(call.keywords[name])


def _keeps_rows(call: Call) -> bool:
    """Whether a reduction goes along the columns, so that each row gives a number."""
    axis = call.argument(None, "axis", "dim")
    if axis is None and call.arguments:
        place = 0 if call.receiver is not None and not isinstance(plain(call.receiver), Ref) else 1
        axis = call.arguments[place] if place < len(call.arguments) else None
    known = constant(axis)
    return known in (1, -1, "columns", 2) and not isinstance(known, bool)


def takes_all(key: Value) -> bool:
    """Whether a subscript takes all rows: a column, several columns, or everything."""
    key = plain(key)
    known = constant(key)
    if isinstance(known, str) or _goes_through(key):
        return True
    if isinstance(known, (int, float)) and not isinstance(known, bool):
        return False
    if isinstance(key, Span):
        return (key.start is None or constant(key.start) in _ALL) and key.stop is None
    if isinstance(key, Display) and key.kind == "tuple":
        return not key.items or takes_all(key.items[0])
    if isinstance(key, Display):
        return not key.items or any(text(entry) is not None for entry in key.items)
    return is_columns(key)


def _goes_through(key: Value) -> bool:
    """Return whether an index moves on with each iteration of a loop.

    An example are windows that slide over all rows, `rows[i : i + 20]`.
    """
    key = plain(key)
    if isinstance(key, Span):
        return key.start is not None and _goes_through(key.start)
    if isinstance(key, Operation) and key.operator in ("+", "-", "*"):
        return any(_goes_through(operand) for operand in key.operands)
    owner = plain(key.owner) if isinstance(key, Element) else None
    return isinstance(owner, Call) and owner.name == "range"


def is_columns(key: Value) -> bool:
    """Return whether a non-literal subscript selects columns, not rows.

    It does if it is made of column names, or has a name that says so.
    """
    pending, seen = [key], 0
    while pending and seen < 40:
        seen += 1
        entry = plain(pending.pop(0))
        if isinstance(entry, Attribute) and entry.name in ("columns", "feature_names"):
            return True
        if isinstance(entry, Display) and any(text(inner) is not None for inner in entry.items):
            return True
        if isinstance(entry, Operation) and entry.operator in ("==", "!=", "<", ">", "<=", ">=", "~", "&", "|"):
            return False
        if isinstance(entry, (Span, Element)):
            return False
        if isinstance(entry, Call) and entry.short in ("select_dtypes", "get_support", "get_feature_names_out"):
            return True
        pending += list(entry.inputs()) if not isinstance(entry, (Function, Class, Instance, Ref)) else []
    name = name_of(plain(key))
    return bool(name) and not _ROW_KEY.search(name)


def name_of(value: Value) -> str:
    """Return the name that a value has in the code.

    It is the name that it is assigned to where it is made, or that of the parameter or function that gives it.
    """
    if isinstance(value, Parameter):
        return value.name
    if isinstance(value, Attribute):
        return value.name
    return assigned_name(value.module, value.node)


def assigned_name(module: Module, node: ast.AST) -> str:
    """The name that an expression is assigned to, or that of the function that returns it."""
    if isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)):
        return last_name(node)
    parent = module.parents.get(node)
    if isinstance(parent, ast.Assign) and parent.value is node and len(parent.targets) == 1:
        return last_name(parent.targets[0])
    if isinstance(parent, ast.Tuple):
        holder = module.parents.get(parent)
        place = next((place for place, entry in enumerate(parent.elts) if entry is node), 0)
        if isinstance(holder, ast.Assign) and holder.value is parent and len(holder.targets) == 1:
            return _name_at(holder.targets[0], place)
        if isinstance(holder, ast.Return):
            return _unpacked_name(module, holder, place, len(parent.elts))
    if isinstance(parent, ast.Return):
        function = enclosing_function(module, node)
        return function.name if function is not None else ""
    return ""


def _name_at(target: ast.expr, place: int) -> str:
    """The name at a place of a target that unpacks; empty where there is none."""
    return last_name(target.elts[place]) if isinstance(target, ast.Tuple) and place < len(target.elts) else ""


def _unpacked_name(module: Module, returns: ast.Return, place: int, count: int) -> str:
    """What all callers in a file call one of the values that a function returns.

    Empty where they differ.
    """
    function = enclosing_function(module, returns)
    names = {
        _name_at(entry.targets[0], place)
        for entry in module.of(ast.Assign)
        if function is not None
        and isinstance(entry.value, ast.Call)
        and last_name(entry.value.func) == function.name
        and len(entry.targets) == 1
        and len(getattr(entry.targets[0], "elts", ())) == count
    }
    return names.pop() if len(names) == 1 else ""
