"""Keras models where they are compiled: the last layer, and the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Display, Value, constant, is_none, number, plain, text
from gonogo.analysis.dataflow.wrapping import base

_BY_NAME = {
    "categorical_crossentropy": "softmax", "sparse_categorical_crossentropy": "softmax", "binary_crossentropy": "sigmoid",
}  # fmt: skip
_BY_CLASS = {"CategoricalCrossentropy": "softmax", "SparseCategoricalCrossentropy": "softmax", "BinaryCrossentropy": "sigmoid"}


@dataclass(frozen=True)
class Compiled:
    """A model that is compiled.

    Attributes:
        event: the call of `compile`.
        last: what made its last layer.
        activation: of the last layer: `linear` for none; None where it is not known.
        wants: the activation that the loss belongs to.
        from_logits: the loss applies it itself.
    """

    event: Event
    last: Call
    activation: str | None
    wants: str
    from_logits: bool

    @property
    def problem(self) -> str:
        """What is wrong, empty if nothing is."""
        if self.from_logits and self.activation in ("softmax", "sigmoid"):
            return f"the loss has `from_logits=True`, but the last layer already applies a {self.activation}"
        if not self.from_logits and self.activation == "linear":
            return f"the loss wants probabilities, but the last layer gives logits: it applies no {self.wants}"
        if self.activation == "softmax" and number(self.last.argument(0, "units")) == 1:
            return "the softmax over a single output is always 1"
        return ""

    @property
    def action(self) -> str:
        """What to do about it."""
        if self.from_logits:
            return "leave the activation of the last layer out, or `from_logits`"
        if self.activation == "linear":
            return f"give the loss `from_logits=True`, or the last layer the activation {self.wants!r}"
        return "apply a sigmoid to a single output"


def compiled(program: Program) -> Iterator[Compiled]:
    """The models that a program compiles, where their last layer and their loss are known."""
    for event in program.calls("compile"):
        loss = event.call.argument(1, "loss")
        if loss is None or event.call.receiver is None:
            continue
        wants, from_logits = _of_loss(loss)
        last = _last_layer(program, base(event.call.receiver), event)
        if wants and from_logits is not None and last is not None:
            yield Compiled(event, last, _activation(last), wants, from_logits)


def _of_loss(loss: Value) -> tuple[str, bool | None]:
    """The activation that a loss belongs to, and whether it applies it itself."""
    name = text(loss)
    if name is not None:
        return _BY_NAME.get(name, ""), False
    call = plain(loss)
    if not isinstance(call, Call) or call.short not in _BY_CLASS or call.is_open:
        return "", None
    given = call.argument(0, "from_logits")
    if given is None:
        return _BY_CLASS[call.short], False
    known = constant(given)
    return _BY_CLASS[call.short], known if isinstance(known, bool) else None


def _last_layer(program: Program, model: Value, event: Event) -> Call | None:
    if not isinstance(model, Call):
        return None
    if model.short == "Sequential":
        added = [
            entry.call.arguments[0]
            for entry in program.calls("add")
            if entry.call.receiver is not None and entry.call.arguments and base(entry.call.receiver) is model
        ]
        layers = plain(model.arguments[0]) if model.arguments else None
        listed = [*(layers.items if isinstance(layers, Display) and not layers.is_open else ()), *added]
        last = plain(listed[-1]) if listed else None
        return last if isinstance(last, Call) else None
    if model.short in ("Model", "Functional"):
        outputs = model.argument(1, "outputs")
        applied = plain(outputs) if outputs is not None else None
        layer = plain(applied.callee) if isinstance(applied, Call) else None
        return layer if isinstance(layer, Call) else None
    return None


def _activation(layer: Call) -> str | None:
    """`linear` for a dense layer without one."""
    if layer.short in ("Softmax", "Activation"):
        return "softmax" if layer.short == "Softmax" else text(layer.argument(0, "activation"))
    if layer.short != "Dense" or layer.is_open:
        return None
    given = layer.argument(1, "activation")
    if given is None or is_none(given):
        return "linear"
    name = text(given)
    if name is not None:
        return name
    function = plain(given)
    short = getattr(function, "name", "").rpartition(".")[2]
    return short if short in ("softmax", "sigmoid", "linear") else None
