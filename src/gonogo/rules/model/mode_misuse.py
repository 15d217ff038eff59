"""MOD106."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import ancestors, functions, last_name
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.pretrained import LEARNS
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.comprehension, ast.ListComp, ast.GeneratorExp)


@rule("MOD106", "mode-misuse", criterion=4, severity=Severity.WARNING, stage=Stage.CHECK, settles=("model",))
def mode_misuse(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A model adapts with the statistics of the batch and predicts with those of its training.

    What it does:
        Looks for a function that puts a model into `train()`, makes a step by the entropy of its predictions, puts it back
        into `eval()` and predicts the same batch again: test-time adaptation whose BatchNorm changes its statistics in
        between. Looks also for a class or function that puts a model into `eval()`, never into `train()`, and steps by the entropy of its
        predictions on the parameters of BatchNorm alone: it adapts on the statistics of the source. A loss that takes labels is training,
        which is left alone; so is a program that takes the running statistics away.

    Why it matters:
        Most of what such methods gain comes from the statistics of the batch. Parameters that were fitted to them are
        then used with others, and the method is not the one that was planned (Wang et al., "Tent: Fully Test-Time Adaptation by Entropy
        Minimization", ICLR 2021, section 3.2).

    Instead:
        Let BatchNorm use the statistics of the batch in both (no running statistics), or score the predictions of the
        pass that the step was made with.
    """
    training = training_modules(modules, contract)
    if any(_takes_statistics_away(module) for module in training):
        return
    for module in training:
        if ".eval()" not in module.text or ".train()" not in module.text:
            continue
        for function in functions(module):
            found = _found(module, function)
            if found is not None:
                prediction, switch = found
                yield Violation(
                    module.location(prediction),
                    "this predicts with BatchNorm's running statistics what was adapted with those of the batch",
                    "keep BatchNorm on the statistics of the batch, or score the logits from before the step",
                    related=(Related(location=module.location(switch), label="the model changes its mode here"),),
                )
    for module in training:
        for place, norms in _adapts_on_source_statistics(module, training):
            yield Violation(
                module.location(place),
                "in eval mode BatchNorm goes by the statistics of the source, and the method adapts on those of the batch",
                "put the model into `train()`, or take the running statistics of BatchNorm away, before it adapts",
                related=(Related(location=norms[0].location(norms[1]), label="only BatchNorm is let learn here"),),
            )


def _takes_statistics_away(module: Module) -> bool:
    """Whether BatchNorm is left without running statistics: then it uses those of the batch in both modes."""
    stored = [node for node in module.of(ast.Attribute) if isinstance(node.ctx, ast.Store) and node.attr == "running_mean"]
    given = [keyword for keyword in module.of(ast.keyword) if keyword.arg == "track_running_stats"]
    return bool(stored) or bool(given)


def _found(module: Module, function: Function) -> tuple[ast.Call, ast.Call] | None:
    """The prediction, and the change of mode before it."""
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    if not _is_entropy(function) or any(_takes_labels(call) for call in nodes):
        return None
    nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    stage, model, batch, switch = "", "", "", None
    for call in nodes:
        owner = qualified_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name == "train" and owner and not call.args:
            stage, model, batch = "train", owner, ""
        elif stage == "train" and qualified_name(call.func) == model:
            batch = _arguments(call)
        elif name == "backward" and stage == "train" and batch:
            stage = "stepped"
        elif name == "eval" and owner == model and stage == "stepped":
            stage, switch = "eval", call
        elif stage == "eval" and switch is not None and qualified_name(call.func) == model and _arguments(call) == batch:
            return (call, switch) if _in_same_loops(module, call, switch) else None
    return None


def _adapts_on_source_statistics(module: Module, training: list[Module]) -> Iterator[tuple[ast.Call, tuple[Module, ast.AST]]]:
    """Yield where a model is put into eval mode by code that adapts BatchNorm's parameters.

    The adaptation steps on the parameters by the entropy of predictions.
    """
    norms = [found for other in training for found in _lets_only_norms_learn(other)]
    if not norms:
        return
    for unit in module.of(ast.ClassDef, ast.FunctionDef):
        if isinstance(unit, ast.FunctionDef) and any(isinstance(parent, ast.ClassDef) for parent in ancestors(module, unit)):
            continue
        methods = [unit] if isinstance(unit, ast.FunctionDef) else [entry for entry in unit.body if isinstance(entry, ast.FunctionDef)]
        called = _calls(unit)
        switched = [call for call in called if _method(call) in ("eval", "train") and not isinstance(call.func, ast.Name)]
        named = {last_name(call.func) for call in called}
        own = [found for found in norms if _is_used(found, named, unit)]
        adapts = any(_is_entropy(method) and not any(_takes_labels(call) for call in _calls(method)) for method in methods)
        steps = adapts and {"backward", "step"} <= named
        if own and steps and switched and all(_method(call) == "eval" for call in switched) and not _sets_training(unit):
            yield switched[0], own[0]


def _lets_only_norms_learn(module: Module) -> Iterator[tuple[Module, ast.AST]]:
    """Yield where parameters are made trainable if they are those of BatchNorm.

    The enclosing function never calls `train()`.
    """
    for node in module.of(ast.If):
        if not (isinstance(node.test, ast.Call) and "BatchNorm" in ast.unparse(node.test)):
            continue
        function = next((parent for parent in ancestors(module, node) if isinstance(parent, ast.FunctionDef)), None)
        learns = any(
            (isinstance(inner, ast.Call) and _method(inner) in ("requires_grad_", "parameters", "append", "extend"))
            or (isinstance(inner, ast.Attribute) and inner.attr == "requires_grad" and isinstance(inner.ctx, ast.Store))
            for entry in node.body
            for inner in ast.walk(entry)
        )
        if (
            function is not None
            and learns
            and not any(_method(call) == "train" for call in ast.walk(function) if isinstance(call, ast.Call))
        ):
            yield module, node


def _is_used(found: tuple[Module, ast.AST], named: set[str], unit: ast.AST) -> bool:
    """Whether a class or function calls what lets BatchNorm learn, or holds it."""
    module, node = found
    function = next((parent for parent in ancestors(module, node) if isinstance(parent, ast.FunctionDef)), None)
    return function is not None and (function.name in named or any(inner is node for inner in ast.walk(unit)))


def _sets_training(unit: ast.AST) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "training" and isinstance(node.ctx, ast.Store) for node in ast.walk(unit))


def _calls(node: ast.AST) -> list[ast.Call]:
    return [inner for inner in ast.walk(node) if isinstance(inner, ast.Call)]


def _method(node: ast.AST) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _arguments(call: ast.Call) -> str:
    return ", ".join(ast.unparse(entry) for entry in call.args)


def _in_same_loops(module: Module, call: ast.Call, switch: ast.Call) -> bool:
    """Whether no loop of its own gives the prediction other batches."""
    around = set(ancestors(module, switch))
    return all(parent in around or not isinstance(parent, LOOPS) for parent in ancestors(module, call))


def _takes_labels(call: ast.Call) -> bool:
    """Return whether a call is a loss of predictions and labels.

    It is one of the usual losses, or any that has a loss's name and is given both.
    """
    name = qualified_name(call.func).rpartition(".")[2]
    given = len(call.args) + len(call.keywords)
    return given > 1 and (LEARNS.search(name) is not None or re.search(r"criterion|loss", name, re.IGNORECASE) is not None)


def _is_entropy(function: Function) -> bool:
    """Whether a step by the entropy of predictions may be made: by name, or by what it is made of."""
    names = set(_names(function))
    return bool(names & {"log_softmax", "softmax"}) or any("entropy" in name.lower() and "cross" not in name.lower() for name in names)


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
TENT = """def configure(model: nn.Module) -> list:
    model.requires_grad_(False)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.requires_grad_(True)
    return [value for value in model.parameters() if value.requires_grad]


class Tent:
    def __init__(self, model: nn.Module) -> None:
        self.model = model.{mode}()
        self.optimizer = torch.optim.SGD(configure(model), lr=0.001)

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.model(images)
        (-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()).backward()
        self.optimizer.step()
        return logits


"""
BAD = [
    Tree({"src/model.py": Edit(HEAD, ADAPT.format(last="return model(images)  # <- here") + HEAD)}),
    Tree({"src/model.py": Edit(HEAD, TENT.format(mode="eval").replace("eval()\n", "eval()  # <- here\n") + HEAD)}),
]
TRAINED = """def train(model: nn.Module, optimizer: torch.optim.Optimizer, criterion: nn.Module, batches: list, others: list) -> None:
    model.train()
    for images, labels in batches:
        criterion(model(images), labels).backward()
        optimizer.step()
    model.eval()
    for images, labels in others:
        print(model(images).softmax(1), labels)


"""
GOOD = [
    Tree({"src/model.py": Edit(HEAD, TENT.format(mode="train") + HEAD)}),
    Tree({"src/model.py": Edit(HEAD, ADAPT.format(last="return logits") + HEAD)}),
    Tree({"src/model.py": Edit(HEAD, TRAINED + HEAD)}),
    Tree(
        {
            "src/model.py": Edit(
                HEAD,
                "def use_batch_statistics(norm: nn.BatchNorm2d) -> None:\n    norm.running_mean = norm.running_var = None\n\n\n"
                + ADAPT.format(last="return model(images)")
                + HEAD,
            )
        }
    ),
]
