"""TRN171."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

LEARNS = re.compile(r"\.backward\(|\.eval\(|\.train\(|set_mode|eval_mode|Trainer\(|torch\.export|torch\.onnx|\.fit\(|train_mode")
ON_PURPOSE = re.compile(r"mc_?drop|monte|uncertain|bayes|adapt|\btta\b|calib|update_bn|ensemble", re.I)
SENSITIVE = re.compile(r"^(?:Dropout\w*|AlphaDropout|BatchNorm\d?d?|SyncBatchNorm)$")
OFF = frozenset({"no_grad", "inference_mode"})


@rule("TRN171", "loaded-not-in-eval", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def loaded_not_in_eval(modules: dict[str, Module]) -> Iterator[Violation]:
    """A network is loaded to predict and stays in train mode.

    So that its dropout and batch statistics are on.

    What it does:
        Looks at programs that load weights into a network of a class of their own with dropout or BatchNorm, apply a network without
        gradients, and train nothing. Speaks where nothing in the project calls `eval()` or `train(…)`. Silent where dropout at
        prediction is the purpose.

    Why it matters:
        A network is in train mode when it is made, and `load_state_dict` and `no_grad` leave it so: predictions change from call to
        call and depend on the rest of the batch (PyTorch, `torch.nn.Module.eval`; "Saving and Loading Models").

    Instead:
        Call `eval()` after the weights are loaded.
    """
    texts = [module.text for module in modules.values()]
    if any(LEARNS.search(text) or ON_PURPOSE.search(text) for text in texts):
        return
    for module in modules.values():
        classes = {entry.name for entry in module.of(ast.ClassDef) if _is_sensitive(entry)}
        loaded = next(
            (call for call in module.of(ast.Call) if last_name(call.func) == "load_state_dict" and _is_of(module, call, classes)), None
        )
        applied = _applied(module)
        if loaded is not None and applied is not None:
            yield Violation(
                module.location(applied),
                "the network predicts in train mode: dropout and BatchNorm are as in training, and nothing calls `eval()`",
                "call `eval()` after the weights are loaded",
                related=(Related(location=module.location(loaded), label="the weights are loaded here"),),
            )


def _is_sensitive(definition: ast.ClassDef) -> bool:
    """Whether a class is a network whose own layers go by the mode."""
    if not any(last_name(base) == "Module" for base in definition.bases):
        return False
    return any(isinstance(node, ast.Call) and SENSITIVE.match(last_name(node.func)) for node in ast.walk(definition))


def _is_of(module: Module, call: ast.Call, classes: set[str]) -> bool:
    """Whether weights are loaded into what one of these classes made."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    values = module.assigned.get(owner.id, []) if isinstance(owner, ast.Name) else []
    if isinstance(owner, ast.Attribute):
        values = [
            entry.value for entry in module.of(ast.Assign) if any(ast.unparse(target) == ast.unparse(owner) for target in entry.targets)
        ]
    made = {_made_by(value) for value in values}
    return bool(made & classes) and made <= classes | {entry.name for entry in module.of(ast.FunctionDef)}


def _made_by(value: ast.expr) -> str:
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in ("to", "cuda", "float", "half"):
        value = value.func.value
    return last_name(value.func) if isinstance(value, ast.Call) else ""


def _applied(module: Module) -> ast.Call | None:
    """The call of a plain name that holds a network, where gradients are off."""
    made = {target.id for entry in module.of(ast.Assign) for target in entry.targets if isinstance(target, ast.Name)}
    made |= {entry.arg for entry in module.of(ast.arg)}
    own = {entry.name for entry in module.of(ast.FunctionDef)} | set(module.imports)
    for call in module.of(ast.Call):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        is_net = (name in made and name not in own and re.search(r"net|model|clf|classifier|encoder|^f$|network", name, re.I)) or (
            isinstance(call.func, ast.Attribute) and re.fullmatch(r"self\.(?:net|model|network|encoder|classifier)", ast.unparse(call.func))
        )
        home = enclosing_function(module, call)
        is_decorated = home is not None and any(
            last_name(entry.func if isinstance(entry, ast.Call) else entry) in OFF for entry in home.decorator_list
        )
        if is_net and call.args and (is_decorated or any(_is_off(parent) for parent in ancestors(module, call))):
            return call
    return None


def _is_off(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any(
        isinstance(entry.context_expr, ast.Call) and last_name(entry.context_expr.func) in OFF for entry in node.items
    )


PROGRAM = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(){layer})
        self.head = nn.Linear(8, 2)

    def forward(self, rows):
        return self.head(self.body(rows))


def predict(net, rows):
    with torch.no_grad():
        return net(rows).argmax(1){marker}


net = Net()
net.load_state_dict(torch.load("net.pt"))
{mode}
print(predict(net, torch.randn(8, 4)))
"""
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(layer=", nn.Dropout(0.2)", marker=HERE, mode="print(net)")),
    program(PROGRAM.format(layer=", nn.BatchNorm1d(8)", marker=HERE, mode="print(net)")),
]
BAD += [program(PROGRAM.format(layer=", nn.Dropout(0.2)", marker=HERE, mode="def same(net):\n    return net\n\n\nnet = same(net)"))]
GOOD = [
    program(PROGRAM.format(layer=", nn.Dropout(0.2)", marker="", mode="net.eval()")),
    program(PROGRAM.format(layer=", nn.LayerNorm(8)", marker="", mode="print(net)")),
    program(PROGRAM.format(layer=", nn.Dropout(0.2)", marker="", mode="net.train(False)")),
    program(PROGRAM.format(layer=", nn.Dropout(0.2)", marker="", mode="mc_dropout_samples = 20")),
]
