"""Whether a number is never below zero, whatever the data are."""

from __future__ import annotations

from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Display,
    Item,
    Operation,
    Repeated,
    Value,
    number,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.training.ops import op_of

MOST_VALUES = 200
COMPARES = frozenset({"==", "!=", "<", ">", "<=", ">=", "in", "not in", "not"})
KEEPS = frozenset({"+", "*", "/", "//"})
# What is never negative, whatever it is given: counts, distances, absolute values. Losses of PyTorch with labels as they want them.
NEVER = words(
    """
    len size numel abs sqrt exp softmax sigmoid relu square norm cross_entropy mse_loss l1_loss smooth_l1_loss huber_loss eq ne gt lt
    binary_cross_entropy binary_cross_entropy_with_logits accuracy_score f1_score mean_squared_error mean_absolute_error count_nonzero
    precision_score recall_score balanced_accuracy_score log_loss roc_auc_score
    """
)
# What is as large as what it is given, or a sum or mean of it.
PASSES = words("item float int cpu detach sum mean double round numpy tolist max min median to nanmean fmean average squeeze long")


def never_negative(value: Value) -> bool:
    """Return whether a number is surely never below zero.

    A sum that a loop adds to is, where its beginning and all that is added are.
    """
    pending, seen = [value], set[Value]()
    while pending:
        entry = plain(pending.pop())
        if entry in seen:
            continue
        seen.add(entry)
        needed = _needed(entry)
        if needed is None or len(seen) > MOST_VALUES:
            return False
        pending += needed
    return True


def _needed(value: Value) -> list[Value] | None:
    """What must not be negative for a value not to be; None where it may be in any case."""
    if isinstance(value, Const):
        known = number(value)
        return [] if known is not None and known >= 0 else None
    if isinstance(value, Choice):
        return list(value.options) or None
    if isinstance(value, Operation):
        return [] if value.operator in COMPARES else list(value.operands) if value.operator in KEEPS else None
    if isinstance(value, Display):
        return [*value.items, *value.added] if value.items and not value.is_open else None
    if isinstance(value, Repeated):
        return [value.element]
    if isinstance(value, Item):
        owner = plain(value.owner)
        return [] if isinstance(owner, Attribute) and owner.name == "shape" else None
    op = op_of(value) if isinstance(value, Call) else None
    if op is None or not op.operands:
        return None
    return [] if op.name in NEVER else [op.operands[0]] if op.name in PASSES and op.maker is None else None
