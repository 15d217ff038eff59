"""Pretrained networks: what a program builds, with which weights and how many classes.

Also whether anything in the program learns from labels.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.interpreter.base import Constant
from gonogo.analysis.interpreter.sentinels import NotKnown
from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import enclosing_function, origin, statement_of

# Heads that come with the usual checkpoints (ImageNet-1k, -12k, -21k, -22k), and none at all.
OWN_CLASSES = frozenset({0, 1000, 1001, 11221, 11821, 21841, 21842, 21843})
# A name that says what a network was trained on: not ImageNet, or not told.
OTHER_DATA = re.compile(r"cifar|mnist|svhn|food|pets|flowers|cars|aircraft|inat|places|hf[_-]hub:|ftune|finetune", re.IGNORECASE)
# Language models without a head of their own.
BARE = re.compile(
    r"^(?:google-bert/|FacebookAI/|distilbert/|microsoft/|google/|albert/)?"
    r"(?:bert-(?:base|large)-(?:un)?cased|distilbert-base-(?:un)?cased|(?:distil)?roberta-(?:base|large)|deberta-(?:v3-)?(?:xsmall|small|base|large)"
    r"|electra-(?:small|base|large)-discriminator|albert-(?:base|large)-v2|vit-(?:base|large)-patch\d+-224-in21k)$"
)
HEADS = frozenset({"fc", "classifier", "head", "heads"})
LEARNS = re.compile(
    r"cross_?entropy(?:_?loss)?$|^(?:nll|bce|mse|l1|kl_?div|hinge|margin|focal|ctc)\w*loss$|^(?:nll_loss|mse_loss|l1_loss|kl_div|smooth_l1_loss"
    r"|binary_cross_entropy\w*|multi_margin_loss|gather|one_hot|take_along_dim|\w*Trainer|fit|partial_fit|fine_?tune\w*|train_head|train_source"
    r"|linear_probe\w*)$",
    re.IGNORECASE,
)
LOADS = words(
    """
    load_state_dict load_from_checkpoint load_file load_model load_checkpoint safe_open load_adapter copy_
    """
)


@dataclass(frozen=True)
class Built:
    """A network that a run builds from a library.

    Attributes:
        weights: whether it is given pretrained weights; None where that is not known.
        name: of the network or its checkpoint; None where it is not known.
        classes: how many classes it is told to have; None where it is told none, or where that is not known.
    """

    module: Module
    node: ast.Call
    run_id: str
    weights: bool | None
    name: str | None
    classes: int | None

    @property
    def has_new_head(self) -> bool:
        """Whether its last layer surely is not the checkpoint's own."""
        return self.weights is True and self.classes is not None and self.classes not in OWN_CLASSES and _is_of_imagenet_or_bare(self.name)


def built_networks(traces: Iterable[Trace]) -> list[Built]:
    """What the runs build, each place once for each run.

    Where it is not known whether a run comes to a place, the place counts only if no run surely builds anything, and then only if all
    such places give a network of one kind: whichever is built, it is one of these.
    """
    sure: dict[tuple[int, str], Built] = {}
    doubtful: dict[tuple[int, str], Built] = {}
    for trace in traces:
        for call in trace.calls:
            network = _network(call, trace.run_id)
            if network is not None:
                (doubtful if call.doubtful else sure).setdefault((id(network.node), network.run_id), network)
    if not sure and len({(network.weights, network.classes, network.has_new_head) for network in doubtful.values()}) == 1:
        return list(doubtful.values())
    return list(sure.values())


def _network(call: Call, run_id: str) -> Built | None:
    node, module = call.site.node, call.site.module
    if not isinstance(node, ast.Call):
        return None
    short = call.name.rpartition(".")[2]
    if call.name in ("timm.create_model", "timm.models.create_model"):
        given = call.argument("pretrained", 1)
        wanted = given.constant() if given is not None else False
        weights = wanted if isinstance(wanted, bool) else None
        name, classes = _text(call.constant("model_name", 0)), _number(call.constant("num_classes"))
        return Built(module, node, run_id, None if call.open_keywords else weights, name, classes)
    if call.name.startswith("torchvision.models.") and short.islower():
        return Built(module, node, run_id, _weights_of_torchvision(call), short, _number(call.constant("num_classes")))
    if short == "from_pretrained" and re.search(r"For\w*Classification\.from_pretrained$", call.name):
        classes = None if call.open_keywords else _number(call.constant("num_labels"))
        return Built(module, node, run_id, True, _text(call.constant("pretrained_model_name_or_path", 0)), classes)
    return None


def _weights_of_torchvision(call: Call) -> bool | None:
    if call.open_keywords:
        return None
    given = call.argument("weights") or call.argument("pretrained", 0)
    value = None if given is None else given.constant()
    if value is None or value is False:
        return False
    if given is not None and "_Weights." in (given.outside_name() or ""):
        return True
    return True if value is True or isinstance(value, str) else None


def _text(value: Constant | NotKnown) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Constant | NotKnown) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_of_imagenet_or_bare(name: str | None) -> bool:
    if name is None:
        return False
    return BARE.match(name) is not None if "bert" in name.lower() or "electra" in name.lower() else OTHER_DATA.search(name) is None


def replaced_heads(built: Iterable[Built]) -> Iterator[tuple[Built, ast.Assign]]:
    """Yield where the last layer of a pretrained network is replaced by a new one.

    An example is `model.fc = nn.Linear(…)` in the function that builds the network.
    """
    for network in built:
        statement = statement_of(network.module, network.node)
        if network.weights is not True or not isinstance(statement, ast.Assign) or statement.value is not network.node:
            continue
        names = {qualified_name(target) for target in statement.targets} - {""}
        function = enclosing_function(network.module, network.node)
        for assignment in network.module.of(ast.Assign):
            value = assignment.value
            if not (isinstance(value, ast.Call) and origin(network.module, value.func) == "torch.nn.Linear"):
                continue
            if enclosing_function(network.module, assignment) is function and any(_is_head(target, names) for target in assignment.targets):
                yield network, assignment


def _is_head(target: ast.expr, names: set[str]) -> bool:
    """`model.fc`, `model.classifier[-1]`, `self.model.heads.head`."""
    while isinstance(target, ast.Subscript):
        target = target.value
    while isinstance(target, ast.Attribute):
        if target.attr in HEADS and qualified_name(target.value) in names:
            return True
        target = target.value
    return False


def learns_from_labels(modules: Iterable[Module]) -> bool:
    """Whether anything in the code may train a layer on labels: a loss that takes targets, a trainer."""
    for module in modules:
        for node in module.of(ast.Name, ast.Attribute, ast.FunctionDef):
            if LEARNS.search(_called(node)):
                return True
            if isinstance(node, ast.Attribute) and node.attr == "loss" and not _is_setting(node):
                return True
    return False


def loads_weights(modules: Iterable[Module]) -> bool:
    """Whether anything in the code may give a network other weights: from a file, or by assigning them."""
    return any(
        _called(node) in LOADS
        or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in ("weight", "bias", "data"))
        for module in modules
        for node in module.of(ast.Name, ast.Attribute)
    )


def _called(node: ast.Name | ast.Attribute | ast.FunctionDef) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else node.name


def _is_setting(node: ast.Attribute) -> bool:
    """Whether `x.loss` is a key of a config rather than the loss that a model gives."""
    owner = qualified_name(node.value)
    return re.search(r"cfg|config|args|params|settings", owner) is not None or owner.endswith("training")
