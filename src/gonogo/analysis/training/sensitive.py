"""Layers that compute differently in train and eval mode: dropout, normalisation by batch.

Only layers that are applied at all count.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.expressions import truth
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Value, number
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.names import last_name
from gonogo.analysis.training.objects import fields_of, parts_of

_SENSITIVE = re.compile(r"dropout|droppath|drop_path|batchnorm|batch_norm|syncbn|stochastic_?depth|instancenorm", re.IGNORECASE)
PRETRAINED = re.compile(r"^(?:torchvision\.models\.|timm\.|transformers\.|segmentation_models_pytorch\.|efficientnet_pytorch\.)")
_DROPS = re.compile(r"^(?:Alpha|Feature)?(?:Alpha)?Dropout\d?d?$")
_ALL = frozenset({"getattr", "children", "modules", "named_children", "named_modules", "_modules", "__getattr__"})
# Library layers and losses that compute the same in both modes, by the beginning of their name.
_STABLE = re.compile(
    r"^torch\.nn\.(?:\w+\.)*(?:Linear|Conv|Embedding|LayerNorm|GroupNorm|ReLU|GELU|SiLU|Tanh|Sigmoid|Softmax|LogSoftmax|MaxPool|AvgPool|"
    r"Adaptive|Flatten|Identity|Sequential|Module|Parameter|Upsample|\w+Loss|LeakyReLU|ELU|PReLU|Unflatten|ZeroPad|PixelShuffle|Bilinear|LSTMCell|GRUCell|RNNCell|Hard|CosineSimilarity|Fold|Unfold|Reflection)"
)
_RECURRENT = frozenset({"LSTM", "GRU", "RNN", "MultiheadAttention"})  # drop only if they are told to
_TRANSFORMER = re.compile(r"^Transformer(?:En|De)?coderLayer$|^Transformer$")  # drop unless they are told not to


def is_sensitive(program: Program, network: Value) -> bool | None:
    """Return whether a network has layers that compute differently in train and eval mode.

    None where its layers are not all known.

    A layer that no method applies, or only under a condition on the object that does not hold, counts for nothing.
    """
    known: bool | None = False
    parts = parts_of(program, network)
    unused = {layer for part in parts if isinstance(part, Instance) for layer in _idle(program, part)}
    idle = {inner for layer in unused for inner in parts_of(program, layer)}
    for part in parts - idle:
        found = _is_sensitive(program, part)
        if found:
            return True
        known = None if found is None else known
    return known


def _is_sensitive(program: Program, part: Value) -> bool | None:
    if isinstance(part, Instance):
        if any(_applies(program, part, entry.definition) for entry in part.cls.ancestors()):
            return True
        return None if part.shallow or part.cls.has_unknown_base() or part.cls.library_bases() - {"torch.nn.Module", "object"} else False
    if isinstance(part, Call):
        if part.name.startswith("torch.nn.") and _DROPS.match(part.short):
            rate = part.argument(0, "p")
            return rate is None or number(rate) != 0
        if _SENSITIVE.search(part.name) or PRETRAINED.match(part.name):
            return True
        if part.name.startswith("torch.nn.") and part.short in _RECURRENT:
            return _drops(part, 0.0)
        if part.name.startswith("torch.nn.") and _TRANSFORMER.match(part.short):
            return _drops(part, 0.1)
        return False if _STABLE.match(part.name) else None
    return None


def _drops(layer: Call, default: float) -> bool | None:
    """Whether a layer with an option `dropout` drops anything."""
    given = layer.keywords.get("dropout")
    if given is None:
        return default > 0 if not layer.is_open else None
    rate = number(given)
    return rate > 0 if rate is not None else None


def _idle(program: Program, part: Instance) -> Iterator[Value]:
    """The layers that an object has and never applies, by name or all in a row."""
    if part.cls.library_bases() - {"torch.nn.Module", "object"} or any(_takes_all(entry.definition) for entry in part.cls.ancestors()):
        return
    for name, value in fields_of(program, part).items():
        if isinstance(base(value), Call) and not any(_is_used(program, part, entry.definition, name) for entry in part.cls.ancestors()):
            yield base(value)


def _takes_all(definition: ast.AST) -> bool:
    return any(last_name(node) in _ALL for node in ast.walk(definition) if isinstance(node, (ast.Name, ast.Attribute)))


def _applies(program: Program, part: Instance, definition: ast.AST) -> bool:
    """Whether a class makes or calls such a layer, and applies it for this object."""
    fields = fields_of(program, part)
    for method in ast.iter_child_nodes(definition):
        for node in ast.walk(method):
            if not _is_mention(node) or _is_off(program, part, node, method):
                continue
            kept = [name for statement in ast.walk(method) for name in _kept_in(statement, node)]
            if kept and all(name in fields and isinstance(base(fields[name]), Call) for name in kept):
                continue  # a layer that is known, and looked at itself
            if not kept or any(_is_used(program, part, definition, name) for name in kept):
                return True
    return False


def _is_mention(node: ast.AST) -> bool:
    """Return whether a node calls such a layer or function, or names such a class.

    An option called `dropout` is neither.
    """
    if isinstance(node, ast.Call):
        return _SENSITIVE.search(last_name(node.func)) is not None
    return isinstance(node, (ast.Name, ast.Attribute)) and last_name(node)[:1].isupper() and _SENSITIVE.search(last_name(node)) is not None


def _kept_in(statement: ast.AST, node: ast.AST) -> Iterator[str]:
    """The attributes that a layer is kept in by a statement."""
    if isinstance(statement, ast.Assign) and any(inner is node for inner in ast.walk(statement.value)):
        yield from (target.attr for target in statement.targets if isinstance(target, ast.Attribute))


def _is_used(program: Program, part: Instance, definition: ast.AST, name: str) -> bool:
    """Whether a method reads an attribute where no condition on the object rules it out."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.ctx, ast.Load)
        and not _is_test(node, method)
        and not _is_off(program, part, node, method)
        for method in ast.iter_child_nodes(definition)
        for node in ast.walk(method)
    )


def _is_test(node: ast.AST, method: ast.AST) -> bool:
    """Whether a read only asks whether something is there."""
    return any(
        isinstance(parent, (ast.If, ast.IfExp)) and any(inner is node for inner in ast.walk(parent.test)) for parent in ast.walk(method)
    )


def _is_off(program: Program, part: Instance, node: ast.AST, method: ast.AST) -> bool:
    """Return whether a node is in a branch that the object's own attributes rule out.

    An example is `if self.dropout:`, where that is False.
    """
    fields = fields_of(program, part)
    for parent in ast.walk(method):
        if not isinstance(parent, (ast.If, ast.IfExp)):
            continue
        test, denies = (parent.test.operand, True) if isinstance(parent.test, ast.UnaryOp) else (parent.test, False)
        value = fields.get(test.attr) if isinstance(test, ast.Attribute) and last_name(test.value) == "self" else None
        holds = truth(value) if value is not None else None
        if holds is None:
            continue
        out = parent.body if holds is denies else parent.orelse
        if any(inner is node for entry in (out if isinstance(out, list) else [out]) for inner in ast.walk(entry)):
            return True
    return False
