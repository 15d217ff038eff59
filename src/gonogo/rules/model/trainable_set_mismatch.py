"""MOD103."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Optimizer
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.observed import judged, located, trained
from gonogo.rules.watched import unless

_NO_GRADIENT = "at its steps, none of its parameters has a gradient"
_THAWS = re.compile(r"unfreez|thaw", re.IGNORECASE)
_OF_A_LOSS = re.compile(r"loss|logit|output|pred", re.IGNORECASE)


@rule(
    "MOD103",
    "trainable-set-mismatch",
    criterion=4,
    severity=Severity.ERROR,
    stage=Stage.TRIAL,
    scope=Scope.PROGRAM,
    settles=("model",),
)
def trainable_set_mismatch(trial: SessionSeen, runs: list[Run], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """What the optimizer changes is not what the run config declares, or it changes nothing.

    What it does:
        Compares every parameter before and after the first steps of each optimizer in the trial. Reported are an optimizer none of
        whose parameters ever had a gradient (a warning where the code makes parameters trainable, or where another optimizer trains:
        it may be used later), and one that changed parameters which `freeze_except` of the run config leaves out; the
        latter only of an optimizer for which all gradients were computed, and where every network that predicts afterwards has something
        of what it changed: others may train something beforehand, such as the model that a method without gradients starts from.

    Why it matters:
        Training that updates nothing, or adaptation that updates the whole network, runs without any error and measures something else.

    Instead:
        Freeze first, then build the optimizer over the parameters that are left; keep the loss attached to them.
    """
    declared = {run.id: _freeze_except(run) for run in runs}
    for run in judged(trial):
        for process in trained(run):
            for optimizer in process.optimizers.values():
                alone = len(process.optimizers) == 1 and not optimizer.apart and process.counts.get("backwards", 0) <= optimizer.steps
                problem = _problem(optimizer, declared.get(run.label) or [], alone)
                if problem:
                    action = "build the optimizer over the parameters that the loss depends on and the config declares"
                    later = problem.endswith(_NO_GRADIENT) and (len(process.optimizers) > 1 or _thaws(modules))
                    place = located(optimizer.place, modules, contract)
                    yield Violation(place, problem, action, runs=(run.label,), severity=unless(later))


def _thaws(modules: dict[str, Module]) -> bool:
    """Whether the code makes parameters trainable, which may be after the steps of a bounded run."""
    return any(_THAWS.search(module.text) or any(map(_is_thawed, _made_trainable(module))) for module in modules.values())


def _made_trainable(module: Module) -> Iterator[ast.expr]:
    """What is given `requires_grad = True` or `requires_grad_()` after it was made."""
    for node in module.of(ast.Assign):
        given = node.value
        if not (isinstance(given, ast.Constant) and given.value is False):
            yield from (target.value for target in node.targets if isinstance(target, ast.Attribute) and target.attr == "requires_grad")
    for call in module.of(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requires_grad_" and "False" not in ast.unparse(call):
            yield call.func.value


def _is_thawed(node: ast.expr) -> bool:
    """Whether it may be a parameter: no new tensor (`x.detach()`), no loss that is kept from raising."""
    return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) and not _OF_A_LOSS.search(last_name(node))


def _problem(optimizer: Optimizer, declared: list[str], alone: bool) -> str:
    if optimizer.looked and optimizer.without >= optimizer.looked and not optimizer.changed:
        return f"`{optimizer.name}` updates nothing: {_NO_GRADIENT}"
    if not declared or not alone or not optimizer.changed:
        return ""
    beyond = [f"{name} ({kind})" for name, kind in optimizer.changed if name != "?" and not _is_declared(name, kind, declared)]
    if not beyond or any(name == "?" for name, _ in optimizer.changed):
        return ""
    if len(beyond) == len(optimizer.changed):
        return ""  # the config may speak of the same parameters by other names
    return f"it updates what `freeze_except` does not name: {', '.join(quoted(beyond, 3))}"


def _is_declared(name: str, kind: str, declared: list[str]) -> bool:
    """Return whether one of the declared names may refer to a parameter.

    All its words are in the parameter's name or in its module's class.
    """
    said = f"{name} {kind}".lower().replace("_", "")
    return any(all(word in said for word in re.split(r"[.\s/*]+", entry.lower().replace("_", "")) if word) for entry in declared)


def _freeze_except(run: Run) -> list[str]:
    """Return the names that the run config says are trained.

    Empty where it does not say so in words that parameters could have.
    """
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "freeze_except" and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
                    found.extend(value)
                walk(value)
        elif isinstance(node, list):
            for entry in node:
                walk(entry)

    walk(run.document.value)
    return found


_STEP = "        loss.backward()\n"
_DROPOUT = "  dropout: 0.1\n"

BAD = [
    Tree(
        {
            "src/train.py": Edit(
                _STEP,
                "        torch.autograd.grad(loss, list(model.parameters()))\n",
            ),
            "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
        }
    ),
    Tree(
        {
            "src/model.py": Edit("    return torch.optim.SGD(\n", "    return torch.optim.SGD(  # <- here\n"),
            "config/run/proposed-mlp-digits.yaml": Edit(_DROPOUT, f"{_DROPOUT}  freeze_except: [output.weight, output.bias]\n"),
        }
    ),
]

_BY_HAND = """        optimizer.step()
        adapted = [model.output.weight, model.output.bias]
        for parameter, slope in zip(adapted, torch.autograd.grad(criterion(model(images), labels), adapted), strict=True):
            parameter.data -= 0.01 * slope
"""
_FROZEN_COPY = """    source, model = model, build_model(cfg.run.model)
    model.load_state_dict(source.state_dict())
    logits, labels = predict(model, test_loader)
"""
GOOD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit(_DROPOUT, f"{_DROPOUT}  freeze_except: [Linear.weight, Linear.bias]\n")}),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": Edit(_DROPOUT, f"{_DROPOUT}  freeze_except: [output.weight, output.bias]\n"),
            "src/train.py": Edit("        optimizer.step()\n", _BY_HAND),
        }
    ),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": Edit(_DROPOUT, f"{_DROPOUT}  freeze_except: [output.weight, output.bias]\n"),
            "src/train.py": Edit("    logits, labels = predict(model, test_loader)\n", _FROZEN_COPY),
        }
    ),
]
