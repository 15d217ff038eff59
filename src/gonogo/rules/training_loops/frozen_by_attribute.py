"""TRN166."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

MAKERS = ("torchvision.models.", "timm.create_model", "segmentation_models_pytorch.", "torch.hub.load")
NO_NETWORKS = ("Tokenizer", "Processor", "Config", "Extractor")
NO_MODULES = ("torch.nn.Parameter", "torch.nn.functional", "torch.nn.init", "torch.nn.utils", "torch.nn.parameter")
# What gives back the network that it is called on.
SAME = frozenset({"to", "cuda", "cpu", "eval", "train", "float", "half", "double", "bfloat16"})
BASES = frozenset({"Module", "LightningModule", "PreTrainedModel"})
# Parts that networks of these libraries have under these names, none of them a parameter.
PARTS = frozenset(
    {"fc", "features", "classifier", "layer1", "layer2", "layer3", "layer4", "conv1", "bert", "roberta", "distilbert", "encoder", "avgpool"}
)
ITERATES = frozenset({"children", "modules", "named_children", "named_modules"})


@rule("TRN166", "frozen-by-attribute", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def frozen_by_attribute(modules: dict[str, Module]) -> Iterator[Violation]:
    """A network is frozen by an attribute that PyTorch never looks at.

    What it does:
        Looks at `x.requires_grad = False` (or `True`). Speaks where `x` is surely a network or a layer: made by `torch.nn`, by a class of
        the file that is one, loaded from torchvision, timm or transformers, or one of what `children()` and `modules()` go through.
        Parameters, tensors and what is not known are left alone.

    Why it matters:
        Only tensors have such a switch. On a network it is a new attribute: all its parameters go on learning, and a "linear probe" is
        a fine-tuned network (PyTorch, `torch.nn.Module.requires_grad_`; "Autograd mechanics").

    Instead:
        Call `network.requires_grad_(False)`.
    """
    for module in modules.values():
        own = _own_classes(module)
        if any(node.name == "requires_grad" for node in module.of(ast.FunctionDef)):
            continue
        for node in module.of(ast.Assign):
            target = node.targets[0]
            if not (isinstance(target, ast.Attribute) and target.attr == "requires_grad" and isinstance(node.value, ast.Constant)):
                continue
            owner = ast.unparse(target.value)
            if f"{owner}.requires_grad_(" not in module.text and (
                _is_network(module, target.value, own) or _is_iterated(module, target.value)
            ):
                yield Violation(
                    module.location(node),
                    f"`{owner}` is a network, not a tensor: this sets an attribute that nothing looks at",
                    f"call `{owner}.requires_grad_({node.value.value!r})`",
                )


def _own_classes(module: Module) -> set[str]:
    """The classes of a file that are networks, by their own bases or by those of the file."""
    found: set[str] = set()
    for _ in range(3):
        for node in module.of(ast.ClassDef):
            if any(last_name(base) in BASES | found for base in node.bases):
                found.add(node.name)
    return found


def _is_network(module: Module, node: ast.expr, own: set[str]) -> bool:
    """Whether a name or an attribute holds a network wherever the file sets it, or is a known part of one."""
    name = ast.unparse(node)
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return False
    made = [
        entry.value for entry in module.of(ast.Assign) if any(ast.unparse(target) == name for target in entry.targets if target is not node)
    ]
    if made:
        return all(_makes(module, value, own) for value in made) and not _is_bound_otherwise(module, node)
    if isinstance(node, ast.Attribute) and node.attr in PARTS:
        above = [
            entry.value
            for entry in module.of(ast.Assign)
            if any(ast.unparse(target) == ast.unparse(node.value) for target in entry.targets)
        ]
        return bool(above) and all(_makes(module, value, set()) and not _is_layer(module, value) for value in above)
    return False


def _is_bound_otherwise(module: Module, node: ast.expr) -> bool:
    """Whether a plain name is a parameter, or the target of a loop or a `with`, anywhere."""
    if not isinstance(node, ast.Name):
        return False
    stored = [use for use in module.named.get(node.id, ()) if isinstance(use.ctx, ast.Store)]
    return any(not isinstance(module.parents.get(use), ast.Assign) for use in stored) or any(
        entry.arg == node.id for entry in module.of(ast.arg)
    )


def _makes(module: Module, value: ast.expr, own: set[str]) -> bool:
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in SAME:
        value = value.func.value
    if not isinstance(value, ast.Call):
        return False
    dotted = origin(module, value.func)
    if dotted.startswith(NO_MODULES):
        return False
    if dotted.startswith("transformers.") and dotted.endswith(".from_pretrained"):
        return not any(word in dotted for word in NO_NETWORKS)
    return dotted.startswith(MAKERS) or _is_layer(module, value) or (isinstance(value.func, ast.Name) and value.func.id in own)


def _is_layer(module: Module, value: ast.expr) -> bool:
    dotted = origin(module, value.func) if isinstance(value, ast.Call) else ""
    return dotted.startswith("torch.nn.") and dotted.rpartition(".")[2][:1].isupper()


def _is_iterated(module: Module, node: ast.expr) -> bool:
    """Whether a name is what a loop over the parts of a network gives."""
    if not isinstance(node, ast.Name):
        return False
    parent = module.parents.get(node)
    while parent is not None:
        if isinstance(parent, ast.For) and any(isinstance(part, ast.Name) and part.id == node.id for part in ast.walk(parent.target)):
            gives, target = parent.iter, parent.target
            while isinstance(gives, ast.Subscript) or (
                isinstance(gives, ast.Call) and last_name(gives.func) in ("list", "reversed", "enumerate") and gives.args
            ):
                if isinstance(gives, ast.Call) and last_name(gives.func) == "enumerate":
                    target = target.elts[-1] if isinstance(target, ast.Tuple) else target
                gives = gives.value if isinstance(gives, ast.Subscript) else gives.args[0]
            if not (isinstance(gives, ast.Call) and isinstance(gives.func, ast.Attribute) and gives.func.attr in ITERATES):
                return False
            target = target.elts[-1] if isinstance(target, ast.Tuple) else target
            return isinstance(target, ast.Name) and target.id == node.id
        parent = module.parents.get(parent)
    return False


PROGRAM = """import torch
from torch import nn
from torchvision import models


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(8, 2)
        {inside}

    def forward(self, rows):
        return self.head(self.scale * self.body(rows))


net = Net()
{outside}
print(sum(p.requires_grad for p in net.parameters()), models)
"""
HERE = "  # <- here"


def _program(inside: str = "print(self.scale)", outside: str = "print(net)") -> str:
    return PROGRAM.format(inside=inside, outside=outside)


BAD = [
    program(_program("self.body.requires_grad = False" + HERE)),
    program(_program(outside="net.requires_grad = False" + HERE)),
    program(_program(outside=f"for part in net.children():\n    part.requires_grad = False{HERE}")),
    program(_program(outside=f"for name, part in net.named_modules():\n    if 'body' in name:\n        part.requires_grad = False{HERE}")),
    program(_program(outside=f'big = models.resnet18(weights="DEFAULT")\nbig.layer1.requires_grad = False{HERE}')),
]
BAD += [
    program(_program(outside=f"for place, part in enumerate(list(net.children())[:-1]):\n    part.requires_grad = False{HERE}")),
    program(
        _program(outside=f'from transformers import BertModel\nbert = BertModel.from_pretrained("b")\nbert.requires_grad = False{HERE}')
    ),
]
GOOD = [
    program(_program("self.scale.requires_grad = False")),
    program(_program("self.body.weight.requires_grad = False")),
    program(_program(outside="for p in net.parameters():\n    p.requires_grad = False")),
    program(_program(outside="net.requires_grad_(False)")),
    program(_program(outside="for part in net.children():\n    for p in part.parameters():\n        p.requires_grad = False")),
    program(_program(outside="rows = torch.randn(3, 4)\nrows.requires_grad = True\nnet(rows).sum().backward()")),
]
