"""MOD102."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import ancestors, argument, calls, origin
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule

# The classes of the usual checkpoints: a head of this size is the checkpoint's own.
OWN_HEADS = {1000, 21841, 21843, 11221, 0}
NORMS = re.compile(r"BatchNorm|LayerNorm|GroupNorm|_NormBase|_BatchNorm|InstanceNorm|bn|norm|affine", re.IGNORECASE)


@rule("MOD102", "untrained-head", criterion=4, severity=Severity.ERROR, stage=Stage.CHECK)
def untrained_head(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """A pretrained network gets a new head that nothing ever trains.

    What it does:
        Looks for a pretrained `timm` or `transformers` model that is given another number of classes, so that its last
        layer is random, in a program that freezes everything and then lets only normalisation layers learn, and that
        loads no other weights.

    Why it matters:
        The predictions are at chance level, whatever the method: the comparison is one of noise with noise.

    Instead:
        Load a checkpoint that was trained on these classes, or train the head on clean data first.
    """
    training = training_modules(modules, contract)
    freezing = [(module, node) for module in training for node in _freezes(module)]
    unfrozen = [(module, node) for module in training for node in _unfreezes(module)]
    if not freezing or not unfrozen or not all(_concerns_norms(module, node) for module, node in unfrozen):
        return
    if any(_loads_weights(module) for module in training):
        return
    for module in training:
        for call in calls(module):
            if _has_new_head(module, call):
                owner, node = freezing[0]
                yield Fault(
                    module.location(call),
                    "the last layer of this pretrained model is new and random, and no step ever trains it",
                    "load a checkpoint that was trained on these classes, or train the last layer on clean data first",
                    related=(Related(location=owner.location(node), label="everything but normalisation layers is frozen here"),),
                )


def _freezes(module: Module) -> Iterator[ast.AST]:
    yield from (call for call in calls(module) if _switches(call, False))
    yield from (node for node in module.of(ast.Assign) if _sets(node, False))


def _unfreezes(module: Module) -> Iterator[ast.AST]:
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "requires_grad_" and not _switches(call, False):
            yield call
    for node in module.of(ast.Assign):
        if any(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets) and not _sets(node, False):
            yield node


def _switches(call: ast.Call, value: bool) -> bool:
    given = argument(call, 0, "requires_grad")
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "requires_grad_"
        and isinstance(given, ast.Constant)
        and given.value is value
    )


def _sets(node: ast.Assign, value: bool) -> bool:
    return (
        any(isinstance(target, ast.Attribute) and target.attr == "requires_grad" for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and node.value.value is value
    )


def _concerns_norms(module: Module, node: ast.AST) -> bool:
    """Whether something is let learn only under a condition that asks for a normalisation layer."""
    for parent in ancestors(module, node):
        if isinstance(parent, ast.If) and NORMS.search(ast.unparse(parent.test)):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    return False


def _loads_weights(module: Module) -> bool:
    """Whether other weights may come in: a state dict, a trained head, a training of all parameters."""
    if any(
        isinstance(node, ast.Attribute) and node.attr in ("load_state_dict", "load_from_checkpoint") for node in module.of(ast.Attribute)
    ):
        return True
    return any(re.search(r"\bfine_?tun|pretrain_|train_source|train_head|linear_probe", line) for line in module.lines if "def " in line)


def _has_new_head(module: Module, call: ast.Call) -> bool:
    name = origin(module, call.func)
    if name == "timm.create_model":
        pretrained = argument(call, 1, "pretrained")
        classes = argument(call, None, "num_classes")
    elif name.startswith("transformers.") and name.endswith("ForImageClassification.from_pretrained"):
        pretrained = ast.Constant(value=True)
        classes = argument(call, None, "num_labels")
    else:
        return False
    if not (isinstance(pretrained, ast.Constant) and pretrained.value is True) or classes is None:
        return False
    first = ast.unparse(call.args[0]) if call.args else ""
    if "cifar" in first.lower() or "hf_hub" in first or "hf-hub" in first:
        return False
    return not (isinstance(classes, ast.Constant) and classes.value in OWN_HEADS)


FROZEN = """    model = timm.create_model("resnet18.a1_in1k", pretrained=True, num_classes=model_cfg.num_classes){marker}
    for parameter in model.parameters():
        parameter.requires_grad = False
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.requires_grad_(True)
{more}    return model
"""
OLD = """    return MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
"""
TIMM = Edit("import torch\n", "import timm\nimport torch\n")
BAD = Tree({"src/model.py": (TIMM, Edit(OLD, FROZEN.format(marker="  # <- here", more="")))})
GOOD = Tree({"src/model.py": (TIMM, Edit(OLD, FROZEN.format(marker="", more="    model.fc.requires_grad_(True)\n")))})
