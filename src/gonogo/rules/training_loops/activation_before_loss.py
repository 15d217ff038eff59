"""TRN107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import constant
from gonogo.analysis.training.activations import Gives, Output, Wants, output_of, single_output, wants_of, width_of
from gonogo.analysis.training.keras import compiled
from gonogo.analysis.training.ops import Op, op_of
from gonogo.analysis.training.uses import ops
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# Code in which one number for each item of a list may be meant: the item is the class.
SEVERAL = re.compile(r"LSTM|GRU|RNN|Transformer|Attention|Embedding|pointer|rank|choice|unsqueeze|permute|transpose", re.IGNORECASE)
NAMES = {
    Gives.SOFTMAX: "a softmax",
    Gives.SIGMOID: "a sigmoid",
    Gives.LOG: "a log-softmax",
    Gives.DECISION: "an argmax",
    Gives.LOGITS: "a plain linear layer",
}


@rule("TRN107", "activation-before-loss", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def activation_before_loss(programs: list[Program]) -> Iterator[Violation]:
    """A loss is given probabilities where it wants logits, or logits where it wants probabilities.

    What it does:
        Follows the predictions that each loss is given back through the network to its last layer. Speaks where a softmax or
        sigmoid comes before a loss that applies its own (`cross_entropy`, `binary_cross_entropy_with_logits`, the softmax losses of
        optax and TensorFlow, Keras losses with `from_logits=True`), where plain outputs go into one that applies none
        (`binary_cross_entropy`, `nll_loss`, Keras losses without `from_logits`), where `kl_div` gets probabilities instead of their
        logarithms, or a target that is logarithms without `log_target=True`, where a softmax is taken over a single output, and where
        `cross_entropy` is given the output of a layer with one, as it is.
        Log-probabilities into `cross_entropy` change nothing, and `-nll_loss(probabilities, labels)`, or one for each row
        (`reduction="none"`), is the probability of the label, as some code has it.

    Why it matters:
        A second softmax squeezes the logits into [0, 1]: the loss can't fall below a floor far from zero, gradients are small, and
        the network still learns a little, so that nothing shows it. Without the logarithm `nll_loss` is not a likelihood and goes to
        minus infinity (PyTorch, `torch.nn.CrossEntropyLoss`, `NLLLoss`, `BCELoss`, `KLDivLoss`). Karpathy counts it among the most
        common mistakes (A Recipe for Training Neural Networks, 2019).

    Instead:
        Give each loss what its documentation says it wants.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for op in walked.gather(ops):
        wants = wants_of(op)
        if wants is None:
            continue
        given = op.operand(wants.index, *wants.names)
        output = output_of(given) if given is not None else None
        if output is not None and output.gives in wants.wrong and not (output.gives is Gives.SOFTMAX and _picks_out(op)):
            yield _violation(op, wants, output)
        elif output is not None and output.gives is Gives.SOFTMAX and _is_of_one(output):
            yield violation(output.by, "the softmax over a single output is always 1", "apply a sigmoid to a single output")
        elif op.name == "cross_entropy" and op.library == "torch" and given is not None and (layer := single_output(given)) is not None:
            yield violation(
                op.call,
                "`cross_entropy` is given a single number for each row: of one class, it is always 0",
                "give the last layer as many outputs as there are classes, or take `binary_cross_entropy_with_logits`",
                sure=not layer.module.mentions(SEVERAL),
                related=((layer, "the last layer has one output"),),
            )
        yield from _target_in_logs(op)
    for model in compiled(walked):
        if model.problem:
            yield violation(model.event, model.problem, model.action, related=((model.last, "the last layer is made here"),))


def _picks_out(op: Op) -> bool:
    """Whether `nll_loss` may just pick out the probability of each label.

    It gives it with a minus: no likelihood is meant then.
    """
    if op.name != "nll_loss":
        return False
    reduction, reduced = op.option(None, "reduction"), op.option(None, "reduce")
    if (reduction is not None and constant(reduction) not in ("mean", "sum")) or (reduced is not None and constant(reduced) is not True):
        return True
    node = op.call.node
    parent = op.call.module.parents.get(node)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Add, ast.Sub)):
        return isinstance(parent.left if parent.right is node else parent.right, ast.Constant)
    return isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.USub)


def _target_in_logs(op: Op) -> Iterator[Violation]:
    """The target of `kl_div` as logarithms, without `log_target=True`."""
    target = op.operand(1, "target") if op.name == "kl_div" else None
    taken = op.option(None, "log_target")
    if target is None or (taken is not None and constant(taken) is not False):
        return
    output = output_of(target)
    if output is not None and output.gives is Gives.LOG:
        yield violation(
            op.call,
            "the target of `kl_div` is that of a log-softmax, but it wants probabilities",
            "give it a softmax, or say `log_target=True`",
            related=((output.by, "it is made here"),),
        )


def _is_of_one(output: Output) -> bool:
    op = op_of(output.by)
    return op is not None and bool(op.operands) and width_of(op.operands[0]) == 1


def _violation(op: Op, wants: Wants, output: Output) -> Violation:
    assert output.gives is not None
    said = f"`{op.name}` is given the output of {NAMES[output.gives]}"
    wanted = (
        "log-probabilities" if op.name in ("nll_loss", "kl_div") else "probabilities" if op.name == "binary_cross_entropy" else "logits"
    )
    return violation(op.call, f"{said}, but it wants {wanted}", wants.instead, related=((output.by, "it is made here"),))


NET = """import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, {classes}))

    def forward(self, inputs):
        return {out}


def step(model, criterion, inputs, labels):
    outputs = model(inputs)
    return criterion(outputs, labels){marker}


print(step(Net(), {loss}, torch.randn(8, 4), torch.randint(2, (8,))))
"""


def _net(out: str, loss: str, marker: str = "", classes: int = 2) -> str:
    return NET.format(out=out, loss=loss, marker=marker, classes=classes)


BAD = [
    program(_net("F.softmax(self.layers(inputs), dim=1)", "nn.CrossEntropyLoss()", "  # <- here")),
    program(_net("self.layers(inputs)", "nn.NLLLoss()", "  # <- here")),
    program(_net("torch.sigmoid(self.layers(inputs)).squeeze(1)", "nn.BCEWithLogitsLoss()", "  # <- here", 1)),
]
TAUGHT = """import torch
from torch import nn

student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
inputs = torch.randn(8, 4)
wanted = {wanted}
print({loss}){marker}
"""
_KL = "nn.functional.kl_div(student(inputs).log_softmax(1), wanted, reduction='batchmean'{more})"
_LAYER = "nn.KLDivLoss(reduction='batchmean'{more})(student(inputs).log_softmax(1), wanted)"
BAD += [
    program(TAUGHT.format(wanted="torch.log_softmax(teacher(inputs), dim=1)", loss=loss.format(more=""), marker="  # <- here"))
    for loss in (_KL, _LAYER)
]
LISTED = """import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, widths, final=False):
        super().__init__()
        layers, before = [], 4
        for width in widths:
            layers += [nn.Linear(before, width), nn.ReLU()]
            before = width
        {last}
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs):
        return self.layers(inputs)


outputs = Net([8, 8])(torch.randn(8, 4))
print({loss}(outputs, {wanted})){marker}
"""
BINARY, MANY = "torch.rand(8, 3).round()", "torch.randint(3, (8,))"


def _listed(last: str, loss: str, wanted: str, marker: str = "") -> Tree:
    return program(LISTED.format(last=last, loss=loss, wanted=wanted, marker=marker))


_LAST = "layers.append(nn.Linear(before, 3))\n        "
BAD += [
    _listed(f"{_LAST}layers.append(nn.Sigmoid())", "nn.BCEWithLogitsLoss()", BINARY, "  # <- here"),
    _listed("layers += [nn.Linear(before, 3), nn.Softmax(dim=1)]", "nn.CrossEntropyLoss()", MANY, "  # <- here"),
    _listed(f"{_LAST}layers.extend([nn.Softmax(dim=1)])", "F.cross_entropy", MANY, "  # <- here"),
]
BAD += [program(_net("self.layers(inputs)", "nn.CrossEntropyLoss()", "  # <- here", 1))]
GOOD = [
    program(_net("self.layers(inputs).squeeze(1)", "nn.CrossEntropyLoss()", classes=1)),
    program(_net("self.layers(inputs)", "nn.BCEWithLogitsLoss()", classes=1)),
    _listed(_LAST.strip(), "nn.BCEWithLogitsLoss()", BINARY),
    _listed(f"{_LAST}layers.append(nn.Sigmoid())", "nn.BCELoss()", BINARY),
    _listed(f"{_LAST}if final:\n            layers.append(nn.Sigmoid())", "nn.BCEWithLogitsLoss()", BINARY),
    _listed(f"{_LAST}layers.append(nn.Sigmoid())\n        layers.pop()", "nn.BCEWithLogitsLoss()", BINARY),
    _listed(f"layers.insert(0, nn.Sigmoid())\n        {_LAST.strip()}", "nn.BCEWithLogitsLoss()", BINARY),
    program(TAUGHT.format(wanted="torch.log_softmax(teacher(inputs), dim=1)", loss=_KL.format(more=", log_target=True"), marker="")),
    program(TAUGHT.format(wanted="torch.log_softmax(teacher(inputs), dim=1)", loss=_LAYER.format(more=", log_target=True"), marker="")),
    program(TAUGHT.format(wanted="torch.softmax(teacher(inputs), dim=1)", loss=_KL.format(more=""), marker="")),
    program(_net("self.layers(inputs)", "nn.CrossEntropyLoss(label_smoothing=0.1)")),
    program(_net("self.layers(inputs).log_softmax(1)", "nn.NLLLoss()")),
    program(_net("self.layers(inputs).sigmoid().squeeze(1)", "nn.BCELoss()", classes=1)),
]
