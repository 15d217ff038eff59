"""MOD106."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Function, Module, qualified_name
from gonogo.code.names import functions
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule


@rule("MOD106", "mode-misuse", criterion=4, severity=Severity.WARNING, stage=Stage.CHECK)
def mode_misuse(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """A model adapts with the statistics of the batch and predicts with those of its training.

    What it does:
        Looks for a function that puts a model into `train()`, makes a step by the entropy of its predictions, puts it back
        into `eval()` and predicts again, all in one go: test-time adaptation whose BatchNorm changes its statistics in
        between.

    Why it matters:
        Most of what such methods gain comes from the statistics of the batch. Parameters that were fitted to them are
        then used with others, and the method is not the one that was planned.

    Instead:
        Let BatchNorm use the statistics of the batch in both (no running statistics), or score the predictions of the
        pass that the step was made with.
    """
    for module in training_modules(modules, contract):
        if ".eval()" not in module.text or ".train()" not in module.text:
            continue
        for function in functions(module):
            found = _found(function)
            if found is not None:
                prediction, switch = found
                yield Fault(
                    module.location(prediction),
                    "this predicts with BatchNorm's running statistics what was adapted with those of the batch",
                    "keep BatchNorm on the statistics of the batch, or score the logits from before the step",
                    related=(Related(location=module.location(switch), label="the model changes its mode here"),),
                )


def _found(function: Function) -> tuple[ast.Call, ast.Call] | None:
    """The prediction, and the change of mode before it."""
    if not _is_entropy(function):
        return None
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    stage, model, switch = "", "", None
    for call in nodes:
        owner = qualified_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name == "train" and owner and not call.args:
            stage, model = "train", owner
        elif name == "backward" and stage == "train":
            stage = "stepped"
        elif name == "eval" and owner == model and stage == "stepped":
            stage, switch = "eval", call
        elif stage == "eval" and switch is not None and qualified_name(call.func) == model:
            return call, switch
    return None


def _is_entropy(function: Function) -> bool:
    return any("entropy" in name.lower() and "cross" not in name.lower() for name in _names(function)) or any(
        name in ("log_softmax", "softmax") for name in _names(function)
    )


def _names(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


HEAD = "def score(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:"
ADAPT = """def adapt(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor) -> torch.Tensor:
    model.train()
    logits = model(images)
    (-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()).backward()
    optimizer.step()
    model.eval()
    {last}


"""
BAD = Tree({"src/model.py": Edit(HEAD, ADAPT.format(last="return model(images)  # <- here") + HEAD)})
GOOD = Tree({"src/model.py": Edit(HEAD, ADAPT.format(last="return logits") + HEAD)})
