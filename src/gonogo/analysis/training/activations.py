"""What the output of a network is: logits, probabilities, log-probabilities, decisions.

Also which losses expect which of these.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from enum import Enum

from gonogo.analysis.dataflow.definitions import Instance
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
    Span,
    Value,
    choice,
    is_none,
    number,
    options,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import origin, statement_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.ops import Op, layer_name, op_of


class Gives(Enum):
    """What numbers an output holds."""

    LOGITS = "logits"
    SOFTMAX = "probabilities by softmax"
    SIGMOID = "probabilities by sigmoid"
    LOG = "log-probabilities"
    DECISION = "decisions"


# Functions that leave numbers as they are: shapes, devices, types, choices of rows and columns.
NEUTRAL = words(
    """
    view reshape squeeze unsqueeze flatten to cuda cpu float double contiguous transpose clone t type type_as detach numpy half expand
    view_as reshape_as squeeze_ ravel tolist item bfloat16 identity movedim moveaxis rearrange stack cat concat concatenate vstack
    hstack dropout index_select unflatten tensor array asarray
    """
)
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "vstack", "hstack"})
_ACTIVATIONS = {
    "softmax": Gives.SOFTMAX, "softmin": Gives.SOFTMAX, "gumbel_softmax": Gives.SOFTMAX, "sigmoid": Gives.SIGMOID,
    "log_softmax": Gives.LOG, "logsigmoid": Gives.LOG, "argmax": Gives.DECISION,
}  # fmt: skip
_LINEAR = ("linear", "conv", "bilinear", "dense")


@dataclass(frozen=True)
class Wants:
    """What a loss works on.

    Attributes:
        index: place of the predictions among its operands; `names` their keywords.
        wrong: what they must not be, each with what then happens.
        instead: what to do.
    """

    index: int
    names: tuple[str, ...]
    wrong: tuple[Gives, ...]
    instead: str


_PROBABILITIES = (Gives.SOFTMAX, Gives.SIGMOID, Gives.DECISION)
_LOGITS = "give the loss the logits; it applies the {0} itself"
LOSSES: dict[str, Wants] = {
    **{name: Wants(0, ("input",), _PROBABILITIES, _LOGITS.format("softmax")) for name in ("cross_entropy",)},
    **{
        name: Wants(0, ("logits",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("softmax"))
        for name in ("softmax_cross_entropy", "softmax_cross_entropy_with_integer_labels")
    },
    **{
        f"{name}softmax_cross_entropy_with_logits": Wants(1, ("logits",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("softmax"))
        for name in ("", "sparse_")
    },
    "binary_cross_entropy_with_logits": Wants(0, ("input",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("sigmoid")),
    "sigmoid_focal_loss": Wants(0, ("inputs",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("sigmoid")),
    "sigmoid_binary_cross_entropy": Wants(0, ("logits",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("sigmoid")),
    "sigmoid_cross_entropy_with_logits": Wants(1, ("logits",), (*_PROBABILITIES, Gives.LOG), _LOGITS.format("sigmoid")),
    "binary_cross_entropy": Wants(
        0, ("input",), (Gives.LOGITS, Gives.LOG, Gives.DECISION), "apply a sigmoid first, or take `binary_cross_entropy_with_logits`"
    ),
    "nll_loss": Wants(
        0, ("input",), (Gives.LOGITS, *_PROBABILITIES), "apply `log_softmax` first, or take `cross_entropy` on the logits"
    ),
    "kl_div": Wants(0, ("input",), (*_PROBABILITIES, Gives.LOGITS), "give `kl_div` log-probabilities first, by `log_softmax`"),
}  # fmt: skip


def wants_of(op: Op) -> Wants | None:
    """Return what a loss works on, or None for an unknown loss.

    TensorFlow's `tf.losses` of the same name takes the labels first.
    """
    wants = LOSSES.get(op.name) if op.library or op.maker is not None else None
    return replace(wants, index=1) if wants is not None and op.library == "tensorflow" else wants


@dataclass(frozen=True)
class Output:
    """What an output is, and where it was made so.

    Attributes:
        gives: what numbers it holds; None where that is not known.
        by: the value that made them so; the application of a network where no more is known.
    """

    gives: Gives | None
    by: Value


MOST_CHOICES = 3  # within each other: a value of a loop is made of itself


def output_of(value: Value, choices: int = 0) -> Output:
    """Return what a value holds, through functions that leave numbers as they are.

    Where it may be several things, nothing is known of it.

    Args:
        value: the value.
        choices: of how many alternatives within each other it is one.
    """
    for _ in range(40):
        if isinstance(value, Returned):
            value = value.value
            continue
        if isinstance(value, Choice):
            return _of_choice(value, choices + 1)
        if isinstance(value, Item) and _is_choice_of_numbers(value):
            value = value.owner
            continue
        if isinstance(value, Attribute) and value.name in ("data", "T", "logits"):
            if value.name == "logits":
                return Output(Gives.LOGITS, value)
            value = value.owner
            continue
        op = op_of(value)
        if op is None:
            return Output(None, value)
        if op.name in NEUTRAL and op.operands and (op.maker is None or op.name in ("flatten", "identity", "dropout", "unflatten")):
            value = _joined(op)
            continue
        return Output(_gives(op, choices), value)
    return Output(None, value)


def _joined(op: Op) -> Value:
    """Return what a function that leaves numbers as they are works on.

    For lists that are joined, it is what is in them.
    """
    value = plain(op.operands[0])
    if op.name in _JOINS and isinstance(value, Repeated):
        return value.element
    if op.name not in _JOINS or not isinstance(value, Display) or value.is_open or not (value.items or value.added):
        return op.operands[0]
    return choice(value.module, value.node, [*value.items, *value.added])


def _of_choice(value: Choice, choices: int) -> Output:
    if choices > MOST_CHOICES:
        return Output(None, value)
    found = [output_of(option, choices) for option in options(value) if not is_none(option) and not isinstance(option, Choice)]
    kinds = {output.gives for output in found}
    return found[0] if len(kinds) == 1 and found else Output(None, value)


def _is_choice_of_numbers(value: Item) -> bool:
    """Return whether a subscript selects some of the numbers unchanged.

    Otherwise it takes a part of a tuple, which may be anything.
    """
    if isinstance(value.key, (Span, Operation)) or is_none(value.key):
        return True
    inner = base(value.key)
    return not isinstance(inner, Const) and kind_of(value.owner) is None and op_of(value.owner) is not None


def _gives(op: Op, choices: int) -> Gives | None:
    if op.name in _ACTIVATIONS:
        return _ACTIVATIONS[op.name]
    if op.name == "log" and op.operands:
        inner = output_of(op.operands[0], choices + 1).gives if choices < MOST_CHOICES else None
        return Gives.LOG if inner in (Gives.SOFTMAX, Gives.SIGMOID) else None
    if op.maker is not None and op.maker.name.startswith("torch.nn.") and op.name.startswith(_LINEAR):
        return Gives.LOGITS
    if op.name in ("linear",) and op.library == "torch":
        return Gives.LOGITS
    if op.maker is not None and op.maker.short == "Sequential" and op.maker.is_open:
        return _gives_of_list(op.maker)
    return None


def _gives_of_list(layers: Call) -> Gives | None:
    """What `Sequential(*layers)` gives whose list is filled step by step: by the last layer.

    Where that is surely the last.
    """
    last = last_put(layers.module, layers.node)
    dotted = origin(layers.module, last.func) if last is not None else ""
    if not dotted.startswith("torch.nn.") or "add_module" in layers.module.text:
        return None
    name = layer_name(dotted.rpartition(".")[2])
    return _ACTIVATIONS.get(name) or (Gives.LOGITS if name == "linear" else None)


def last_put(module: Module, node: ast.AST) -> ast.Call | None:
    """Return the call that makes the last entry of the list that `f(*list)` is given.

    None where the last statement before it that names the list is no `append`, `extend` or `+=` of something written out, or stands under a
    condition that the call does not.

    Args:
        module: of the call.
        node: the call `f(*list)`.
    """
    given = node.args[0] if isinstance(node, ast.Call) and len(node.args) == 1 else None
    name = given.value.id if isinstance(given, ast.Starred) and isinstance(given.value, ast.Name) else ""
    statement = statement_of(module, node)
    parent = module.parents.get(statement) if statement is not None else None
    blocks = [block for block in (getattr(parent, field, None) for field in ("body", "orelse", "finalbody")) if isinstance(block, list)]
    block = next((block for block in blocks if statement in block), None)
    if not name or statement is None or block is None:
        return None
    for before in reversed(block[: block.index(statement)]):
        if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(before)):
            last = _put(before, name)
            return last if isinstance(last, ast.Call) else None
    return None


def _put(statement: ast.stmt, name: str) -> ast.expr | None:
    """The last of what one statement puts at the end of a list."""
    if isinstance(statement, ast.AugAssign):
        is_own = isinstance(statement.op, ast.Add) and isinstance(statement.target, ast.Name) and statement.target.id == name
        return _last_item(statement.value) if is_own else None
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and len(call.args) == 1):
        return None
    if not (isinstance(call.func.value, ast.Name) and call.func.value.id == name):
        return None
    return call.args[0] if call.func.attr == "append" else _last_item(call.args[0]) if call.func.attr == "extend" else None


def _last_item(node: ast.expr) -> ast.expr | None:
    return node.elts[-1] if isinstance(node, (ast.List, ast.Tuple)) and node.elts else None


def networks_behind(value: Value, choices: int = 0) -> frozenset[Value]:
    """Return the networks one of whose outputs a value is, unchanged.

    The result is empty where one is unknown. `choices` is as for `output_of`.
    """
    for _ in range(40):
        if isinstance(value, Returned):
            return frozenset((base(value.call.callee),))
        if isinstance(value, Item) and _is_choice_of_numbers(value):
            value = value.owner
            continue
        if isinstance(value, Choice):
            if choices >= MOST_CHOICES:
                return frozenset()
            found = [networks_behind(option, choices + 1) for option in value.options]
            return frozenset().union(*found) if all(found) else frozenset()
        op = op_of(value)
        if op is None:
            return frozenset()
        if op.maker is None and op.name in NEUTRAL and op.operands:
            value = _joined(op)
            continue
        callee = base(op.call.callee)
        return frozenset((callee,)) if kind_of(callee) is Kind.MODEL and isinstance(callee, (Call, Instance)) else frozenset()
    return frozenset()


def width_of(value: Value) -> float | None:
    """How many numbers the last layer gives for each example, where that is written out."""
    by = output_of(value).by
    op = op_of(by)
    if op is not None and op.maker is not None and op.maker.short in ("Linear", "LazyLinear"):
        return number(op.maker.argument(0 if op.maker.short == "LazyLinear" else 1, "out_features"))
    return None


# Functions that leave numbers and their shape as they are.
_SAME_SHAPE = words("to cuda cpu float double contiguous clone type type_as detach half bfloat16 identity dropout")


def single_output(value: Value) -> Value | None:
    """The layer with one output that gave a value, in the shape in which it came; None for others."""
    for _ in range(40):
        value = plain(value)
        op = op_of(value)
        if op is None:
            return None
        if op.name not in _SAME_SHAPE or not op.operands:
            return op.maker if op.maker is not None and op.maker.short == "Linear" and width_of(value) == 1 else None
        value = op.operands[0]
    return None
