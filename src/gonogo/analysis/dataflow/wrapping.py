"""The object behind a call that returns what it was given.

Examples: `model.to(device)`, `DDP(model)`, `accelerator.prepare(model, optimizer)`.
"""

from __future__ import annotations

from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.values import Attribute, Call, Choice, Item, Turn, Value, constant, options, plain
from gonogo.analysis.dataflow.words import words

# Methods that give back the object they are called on: of networks (`torch.nn.Module`), and of what is put on a device in place.
SAME_OBJECT = frozenset(
    {"to", "cuda", "cpu", "eval", "train", "half", "float", "double", "bfloat16", "requires_grad_", "share_memory", "to_empty", "type"}
)
# Functions and classes, by the last part of their name, around one object.
AROUND = words(
    """
    DistributedDataParallel DataParallel DDP FSDP FullyShardedDataParallel compile script unwrap_model extract_model DistributedModel
    convert_sync_batchnorm prepare_model prepare_model_for_kbit_training
    """
)
# Methods of helpers (Accelerate, Fabric) that give back all they are given, in order.
PREPARES = words(
    """
    prepare setup setup_module setup_optimizers setup_dataloaders prepare_model prepare_optimizer prepare_data_loader
    prepare_scheduler _setup unwrap_model unwrap
    """
)
MAX_STEPS = 20


def base(value: Value) -> Value:
    """The object that a value is, whatever it was wrapped in."""
    for _ in range(MAX_STEPS):
        value = plain(value)
        inner = _inside(value)
        if inner is None:
            return value
        value = inner
    return value


def _inside(value: Value) -> Value | None:
    if isinstance(value, Turn) and len(value.options) == 1:
        return value.options[0]
    if isinstance(value, Choice):
        innermost = [_innermost(option) for option in options(value) if not _is_nothing(option)]
        found = {id(inner): inner for inner in innermost if inner is not value}
        return next(iter(found.values())) if len(found) == 1 else None
    if isinstance(value, Call):
        return _of_call(value)
    if isinstance(value, Item):
        prepared = plain(value.owner)
        index = constant(value.key)
        if isinstance(prepared, Call) and _prepares(prepared) and isinstance(index, int) and 0 <= index < len(prepared.arguments):
            return prepared.arguments[index] if len(prepared.arguments) > 1 else None
    if isinstance(value, Attribute) and value.name in ("module", "_orig_mod"):
        owner = plain(value.owner)
        if isinstance(owner, Call) and owner.short in AROUND:
            return owner
    return None


def _innermost(value: Value) -> Value:
    for _ in range(MAX_STEPS):
        value = plain(value)
        if isinstance(value, Choice):
            return value
        inner = _inside(value)
        if inner is None:
            return value
        value = inner
    return value


def _is_nothing(value: Value) -> bool:
    return constant(value) is None


def _of_call(call: Call) -> Value | None:
    method = call.method
    if method in SAME_OBJECT:
        return call.receiver
    if method in PREPARES or call.short in AROUND:
        if method and isinstance(plain(call.receiver or call), Instance):
            return None
        return call.arguments[0] if len(call.arguments) == 1 or (call.arguments and call.short in AROUND) else None
    return None


def _prepares(call: Call) -> bool:
    return call.method in PREPARES
