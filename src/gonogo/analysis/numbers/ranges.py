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
    Returned,
    Value,
    number,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.training.ops import op_of

MAX_DEPTH = 60
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


def never_negative(value: Value, active: frozenset[Value] = frozenset()) -> bool:
    """Return whether a number is surely never below zero.

    A sum that a loop adds to is, where its beginning and all that is added are.
    """
    value = plain(value)
    if value in active:
        return True
    if len(active) > MAX_DEPTH:
        return False
    active = active | {value}
    if isinstance(value, Const):
        known = number(value)
        return known is not None and known >= 0
    if isinstance(value, Returned):
        return never_negative(value.value, active)
    if isinstance(value, Choice):
        return bool(value.options) and all(never_negative(option, active) for option in value.options)
    if isinstance(value, Operation):
        return value.operator in COMPARES or (
            value.operator in KEEPS and all(never_negative(operand, active) for operand in value.operands)
        )
    if isinstance(value, Display):
        return not value.is_open and bool(value.items) and all(never_negative(entry, active) for entry in (*value.items, *value.added))
    if isinstance(value, Repeated):
        return never_negative(value.element, active)
    if isinstance(value, Item):
        owner = plain(value.owner)
        return isinstance(owner, Attribute) and owner.name == "shape"
    if not isinstance(value, Call):
        return False
    op = op_of(value)
    if op is None or not op.operands:
        return False
    return op.name in NEVER or (op.name in PASSES and op.maker is None and never_negative(op.operands[0], active))
