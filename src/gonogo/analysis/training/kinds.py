"""What an object is and how surely.

It may be a network, an optimizer, a scheduler, a loss, a loader or an estimator.
"""

from __future__ import annotations

import re
from enum import Enum

from gonogo.analysis.dataflow.definitions import Class, Instance
from gonogo.analysis.dataflow.values import Attribute, Call, Item, Parameter, Ref, Value, is_none, options, plain
from gonogo.analysis.dataflow.wrapping import base


class Kind(Enum):
    """What an object is."""

    MODEL = "model"
    LOSS = "loss"
    OPTIMIZER = "optimizer"
    SCHEDULER = "scheduler"
    SCALER = "scaler"
    LOADER = "loader"
    DATASET = "dataset"
    TRAINER = "trainer"


_OPTIMIZERS = re.compile(
    r"^(?:torch\.optim\.(?!lr_scheduler|swa_utils)(?:\w+\.)?[A-Z]\w*|transformers\.(?:optimization\.)?(?:AdamW|Adafactor)"
    r"|bitsandbytes\.optim\.\w+|apex\.optimizers\.\w+|timm\.optim\.(?:\w+\.)?(?:create_optimizer\w*|[A-Z]\w+)|torch_optimizer\.\w+"
    r"|lion_pytorch\.\w+|adabelief_pytorch\.\w+|deepspeed\.ops\.adam\.\w+|torch\.optim\.__unknown__)$"
)
_SCHEDULERS = re.compile(
    r"^(?:torch\.optim\.(?:lr_scheduler|swa_utils)\.(?:[A-Z]\w*LR\w*|[A-Z]\w*)|transformers\.(?:optimization\.)?get_\w*schedul\w*"
    r"|diffusers\.optimization\.get_\w*schedul\w*|timm\.scheduler\.\w+|warmup_scheduler\.\w+)$"
)
_LOSSES = re.compile(
    r"^(?:torch\.nn\.(?:\w+\.)*\w+Loss|timm\.loss\.\w+|torch\.nn\.(?:\w+\.)*KLDivLoss|segmentation_models_pytorch\.losses\.\w+)$"
)
_LAYERS = re.compile(r"^torch\.nn\.(?:modules\.(?:\w+\.)*)?(?!Parameter$|init\b|utils\b|functional\b)[A-Z]\w*$")
_NETWORKS = re.compile(
    r"^(?:torchvision\.models\.(?:\w+\.)*[a-z]\w*|timm\.(?:models\.)?(?:\w+\.)?create_model|torch\.hub\.load|efficientnet_pytorch\.\w+\.\w+"
    r"|segmentation_models_pytorch\.(?!losses|utils|metrics|encoders)\w+|transformers\.(?:\w+\.)*(?:Auto)?\w*Model\w*\.from_\w+"
    r"|transformers\.(?:\w+\.)*\w+For\w+(?:\.from_\w+)?|transformers\.(?:\w+\.)*\w+Model|sentence_transformers\.SentenceTransformer"
    r"|peft\.get_peft_model|torch_geometric\.nn\.(?:\w+\.)*[A-Z]\w+|diffusers\.\w+Model(?:\.from_\w+)?|clip\.load)$"
)
_MODULE_BASES = re.compile(
    r"(?:^|\.)(?:Module|LightningModule|PreTrainedModel|ScriptModule|Sequential|MessagePassing|ModelMixin|\w+ForSequenceClassification)$"
    r"|^torch\.nn\.(?!Parameter)[A-Z]\w*$|^transformers\.\w*(?:PreTrainedModel|Model)$|^pl\.LightningModule$"
)
_LOADERS = re.compile(r"(?:^|\.)(?:DataLoader|StatefulDataLoader|DataListLoader|NeighborLoader|BucketIterator|WebLoader)$")
_BY_NAME = {
    Kind.OPTIMIZER: re.compile(r"^(?:\w*_)?(?:optimi[sz]er|optim|opt)(?:_?[a-zA-Z0-9]{1,12})?$"),
    Kind.SCHEDULER: re.compile(r"^(?:\w*_)?(?:lr_)?(?:scheduler|sched|lr_schedule)$"),
    Kind.MODEL: re.compile(r"^(?:\w*_)?(?:model|net|network|encoder|decoder|backbone|classifier|generator|discriminator|net[GD]|critic)$"),
    Kind.LOSS: re.compile(r"^(?:\w*_)?(?:criterion|loss_fn|loss_func|loss_function)$"),
    Kind.LOADER: re.compile(r"^(?:\w*_)?(?:data_?)?loader\w{0,6}$|^\w*_dl$", re.IGNORECASE),
    Kind.SCALER: re.compile(r"^(?:grad_?|loss_?|amp_?)scaler$"),
}
_BY_ANNOTATION = {
    Kind.OPTIMIZER: re.compile(r"\bOptimizer\b"),
    Kind.MODEL: re.compile(r"\b(?:nn\.Module|Module|PreTrainedModel)\b"),
    Kind.LOADER: re.compile(r"\bDataLoader\b"),
    Kind.SCHEDULER: re.compile(r"LRScheduler|_LRScheduler"),
}


def kind_of(value: Value | None) -> Kind | None:
    """Return what an object surely is, determined by what made it.

    None where that is not known. A choice is what all its options are.
    """
    if value is None:
        return None
    found = _kinds(value, frozenset())
    return next(iter(found)) if len(found) == 1 else None


def _kinds(value: Value, active: frozenset[Value]) -> set[Kind | None]:
    """Return what the options of a value are.

    A copy that a loop makes of the value itself, `network = deepcopy(network)`, adds none.
    """
    found: set[Kind | None] = set()
    for option in options(base(value)):
        one = base(option)
        copied = one.arguments[0] if isinstance(one, Call) and one.short == "deepcopy" and one.arguments else None
        if copied is None:
            found |= {_of_one(one)} if not is_none(option) else set()
        elif one not in active:
            found |= _kinds(copied, active | {one})
    return found


def _of_one(value: Value) -> Kind | None:
    value = base(value)
    if isinstance(value, Instance):
        return of_class(value.cls)
    if isinstance(value, Call):
        return _of_call(value)
    return None


def of_class(cls: Class) -> Kind | None:
    """What the objects of a class of the project are, by what it inherits from."""
    bases = cls.library_bases()
    for name in bases:
        short = name.rpartition(".")[2]
        if _LOSSES.match(name):
            return Kind.LOSS
        if short == "Optimizer" or _OPTIMIZERS.match(name):
            return Kind.OPTIMIZER
        if short in ("LRScheduler", "_LRScheduler") or _SCHEDULERS.match(name):
            return Kind.SCHEDULER
        if short in ("Dataset", "IterableDataset", "TensorDataset", "VisionDataset", "ImageFolder"):
            return Kind.DATASET
        if _LOADERS.search(name):
            return Kind.LOADER
    return Kind.MODEL if any(_MODULE_BASES.search(name) for name in bases) else None


def _of_call(call: Call) -> Kind | None:
    name = call.name or _dynamic(call)
    if not name:
        return None
    for pattern, kind in (
        (_OPTIMIZERS, Kind.OPTIMIZER), (_SCHEDULERS, Kind.SCHEDULER), (_LOSSES, Kind.LOSS), (_LAYERS, Kind.MODEL), (_NETWORKS, Kind.MODEL),
    ):  # fmt: skip
        if pattern.match(name):
            return kind
    if name.endswith(".GradScaler") or name == "GradScaler":
        return Kind.SCALER
    return Kind.LOADER if _LOADERS.search(name) else None


def _dynamic(call: Call) -> str:
    """`getattr(torch.optim, name)(…)`: one of a library's classes, nobody knows which."""
    callee = plain(call.callee)
    if isinstance(callee, Call) and callee.name == "getattr" and callee.arguments:
        owner = plain(callee.arguments[0])
        if isinstance(owner, Ref) and owner.name in ("torch.optim", "torch.nn", "torchvision.models"):
            return f"{owner.name}.{'Linear' if owner.name == 'torch.nn' else '__unknown__' if owner.name == 'torch.optim' else 'unknown'}"
    return ""


def likely_kind(value: Value | None) -> Kind | None:
    """Return what an object is, surely or judging by its name.

    The name is a parameter's annotation or name, or an attribute's name.
    """
    known = kind_of(value)
    if known is not None or value is None:
        return known
    value = base(value)
    if isinstance(value, Parameter):
        by_annotation = next((kind for kind, pattern in _BY_ANNOTATION.items() if pattern.search(value.annotation)), None)
        return by_annotation or _by_name(value.name)
    if isinstance(value, Attribute):
        return _by_name(value.name)
    if isinstance(value, Item):
        return likely_kind(value.owner)
    return None


def _by_name(name: str) -> Kind | None:
    return next((kind for kind, pattern in _BY_NAME.items() if pattern.match(name)), None)
