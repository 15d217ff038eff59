"""MOD102."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, ancestors, argument, calls, enclosing_function
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.left_out_heads import left_out_heads
from gonogo.analysis.training.pretrained import Built, learns_from_labels, loads_weights, replaced_heads
from gonogo.analysis.training.wrapped_heads import Targets, frozen_beside_lora, frozen_heads, heads_beside_lora, lora_targets
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

NORMS = re.compile(r"BatchNorm|LayerNorm|GroupNorm|_NormBase|_BatchNorm|InstanceNorm|\bbn|norm|affine", re.IGNORECASE)


@rule("MOD102", "untrained-head", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("model",))
def untrained_head(
    modules: dict[str, Module], contract: Contract, networks: list[Built], traces: list[Trace], sources: Sources
) -> Iterator[Violation]:
    """A pretrained network gets a new head that nothing ever trains.

    What it does:
        Follows each run to the networks that it builds. Speaks where one with pretrained weights is given another number of
        classes than its checkpoint has, or a new last layer, in a program that freezes everything, lets only normalisation
        layers learn and loads no other weights. Where the function that builds the network does not freeze it at once,
        nothing in the program may learn from labels either. A checkpoint whose classes are not known is left alone. Speaks also of a
        classifier of transformers with classes of its own in which every linear layer is wrapped and frozen, or every parameter but those
        of corrections (LoRA and the like), its new last layer among them: by hand, or by `get_peft_model` with a config that does not say
        that this is a classifier; and of the only classifier of a program where whoever gets it freezes all of it, or gives the only
        optimizer parameters by a part of their names that no last layer's has.

    Why it matters:
        The predictions are at chance level, whatever the method: the comparison is one of noise with noise.

    Instead:
        Load a checkpoint that was trained on these classes, or train the head on clean data first.
    """
    training = training_modules(modules, contract)
    if all_parsed(modules) and not loads_weights(training):
        yield from _frozen_with_the_rest(training, lora_targets(traces))
        for head in left_out_heads({module.path: module for module in training}, sources.symbols):
            yield Violation(
                head.module.location(head.node),
                "the last layer of this pretrained model is new and random, and the training leaves it out",
                "let the last layer learn: train it with the layers that are chosen",
                related=(Related(location=head.freezer.location(head.frozen), label="it is left out here"),),
            )
    freezing = [(module, node) for module in training for node in _freezes(module)]
    unfrozen = [(module, node) for module in training for node in _unfreezes(module)]
    if not freezing or not unfrozen or not all(_concerns_norms(module, node) for module, node in unfrozen):
        return
    if not all_parsed(modules) or loads_weights(training):
        return
    owner, frozen = freezing[0]
    learns = learns_from_labels(training)
    places: dict[ast.AST, list[Built]] = {}
    heads: list[tuple[Built, ast.AST]] = [(network, network.node) for network in networks if network.has_new_head]
    for network, node in [*heads, *replaced_heads(networks)]:
        if _is_frozen_at_once(network, node, freezing) or (not learns and not _stands_after_freezing(network, node, freezing)):
            places.setdefault(node, []).append(network)
    for node, built in places.items():
        yield Violation(
            built[0].module.location(node),
            "the last layer of this pretrained model is new and random, and no step ever trains it",
            "load a checkpoint that was trained on these classes, or train the last layer on clean data first",
            related=(Related(location=owner.location(frozen), label="everything but normalisation layers is frozen here"),),
            runs=tuple(dict.fromkeys(network.run_id for network in built)),
            evidence=f"{built[0].name}, {built[0].classes} classes" if built[0].classes is not None else str(built[0].name),
        )


def _frozen_with_the_rest(training: list[Module], targets: Targets) -> Iterator[Violation]:
    by_path = {module.path: module for module in training}
    for head in (*frozen_heads(by_path), *heads_beside_lora(by_path, targets), *frozen_beside_lora(by_path)):
        yield Violation(
            head.module.location(head.node),
            "the last layer of this pretrained model is new and random, and it is frozen with the layers around it",
            "let the last layer learn: keep it out of what is wrapped or frozen",
            related=(Related(location=head.freezer.location(head.frozen), label="it is frozen here"),),
        )


def _is_frozen_at_once(network: Built, head: ast.AST, freezing: list[tuple[Module, ast.AST]]) -> bool:
    """Whether the function that makes the head freezes everything after it, come what may."""
    function = enclosing_function(network.module, head)
    for module, node in freezing:
        if module is network.module and _line(node) > _line(head) and enclosing_function(module, node) is function:
            above = list(ancestors(module, node))
            inside = above[: above.index(function)] if function in above else above
            if not any(isinstance(parent, (ast.If, ast.IfExp, ast.Try, ast.While, ast.Match)) for parent in inside):
                return True
    return False


def _stands_after_freezing(network: Built, head: ast.AST, freezing: list[tuple[Module, ast.AST]]) -> bool:
    """Return whether the function that makes the head freezes the rest before it.

    The new layer then stays trainable.
    """
    function = enclosing_function(network.module, head)
    same = [node for module, node in freezing if module is network.module and enclosing_function(module, node) is function]
    return any(_line(node) < _line(head) for node in same)


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


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
WRAPPED = """    tagger = AutoModelForTokenClassification.from_pretrained("bert-base-cased", num_labels=17){marker}
    for path, layer in list(tagger.named_modules()):
        if isinstance(layer, nn.Linear){unless}:
            setattr(tagger.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2], Delta(layer, 4))
    return tagger


class Delta(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.base.weight.requires_grad = False
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, inputs):
        return self.base(inputs) + self.up(self.down(inputs))
"""
TRANSFORMERS = Edit("from torch import nn\n", "from torch import nn\nfrom transformers import AutoModelForTokenClassification\n")
LORA = """    from peft import LoraConfig, get_peft_model

    model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=10, cache_dir=".cache"){marker}
    options = {options}
    return get_peft_model(model, LoraConfig(r=8, **options))
"""
BAD = [
    Tree({"src/model.py": (TIMM, Edit(OLD, FROZEN.format(marker="  # <- here", more="")))}),
    Tree({"src/model.py": (TRANSFORMERS, Edit(OLD, WRAPPED.format(marker="  # <- here", unless="")))}),
    *(
        Tree({"src/model.py": (TRANSFORMERS, Edit(OLD, LORA.format(marker="  # <- here", options=options)))})
        for options in ('{"lora_alpha": 16}', '{"target_modules": ["query", "value"]}', 'dict(task_type="FEATURE_EXTRACTION")')
    ),
]
FREEZING = """    model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=10, cache_dir=".cache"){marker}
    model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=8))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = {wanted}
    return model
"""
PEFT = Edit("from torch import nn\n", "from peft import LoraConfig, get_peft_model\nfrom torch import nn\n")
CLASSIFIER = """    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=10, cache_dir=".cache"){marker}
"""
MADE = "    model = build_model(cfg.run.model)\n"
STILL = "    for parameter in model.parameters():\n        parameter.requires_grad = False\n"
NORMS_LEARN = (
    "    for name, parameter in model.named_parameters():\n        if 'LayerNorm' in name:\n            parameter.requires_grad = True\n"
)
BAD += [
    Tree({"src/model.py": (PEFT, Edit(OLD, FREEZING.format(marker="  # <- here", wanted='"lora_" in name')))}),
    Tree({"src/model.py": Edit(OLD, CLASSIFIER.format(marker="  # <- here")), "src/train.py": Edit(MADE, MADE + STILL + NORMS_LEARN)}),
]
GOOD = [
    Tree({"src/model.py": (PEFT, Edit(OLD, FREEZING.format(marker="", wanted='"lora_" in name or "classifier" in name')))}),
    Tree({"src/model.py": Edit(OLD, CLASSIFIER.format(marker="")), "src/train.py": Edit(MADE, MADE + NORMS_LEARN)}),
    Tree({"src/model.py": (TIMM, Edit(OLD, FROZEN.format(marker="", more="    model.fc.requires_grad_(True)\n")))}),
    Tree({"src/model.py": (TRANSFORMERS, Edit(OLD, WRAPPED.format(marker="", unless=' and "classifier" not in path')))}),
    *(
        Tree({"src/model.py": (TRANSFORMERS, Edit(OLD, LORA.format(marker="", options=options)))})
        for options in (
            '{"task_type": "SEQ_CLS"}',
            'dict(modules_to_save=["classifier"])',
            '{"target_modules": ["query", "classifier"]}',
            "cfg",
        )
    ),
]
