"""MOD101."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces, value_at
from gonogo.analysis.python.handlers import is_logging
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, argument, calls, enclosing_function, origin, text_of
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

KEYS = ("pretrained_checkpoint", "checkpoint", "pretrained_model", "pretrained_model_name_or_path", "hf_id", "checkpoint_path")
# `load_state_dict` is given what one of these has read.
LOADING_METHODS = frozenset({"from_pretrained", "load_from_checkpoint"})
LOADERS = (
    "torch.load",
    "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
    "safetensors.torch.load_file",
    "huggingface_hub.hf_hub_download",
)


@rule("MOD101", "checkpoint-ignored", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("config-key", "model"))
def checkpoint_ignored(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Violation]:
    """Another checkpoint is loaded than the run config names.

    What it does:
        Where the code does read the checkpoint of the run config (a key that nothing reads is HYD105's matter), but only to
        print, log or compare it, looks at every call that loads pretrained weights: speaks if each of them names a model as
        a literal text, and none is the one that a run names. A checkpoint that is handed to any other call may be loaded
        there.

    Why it matters:
        The run starts from other weights than its config says, and nothing in the results shows it.

    Instead:
        Hand the checkpoint of the run config to the call that loads.
    """
    training = training_modules(modules, contract)
    literals = _literals(training)
    if not literals or not all_parsed(modules):
        return
    names = {text for _, _, text in literals}
    for run in runs:
        own = next((trace for trace in traces if trace.run_id == run.id and trace.complete and trace.composition is not None), None)
        prefix = config_places.prefix_of(run, own.composition) if own is not None else None
        if own is None or prefix is None:
            continue
        for key in KEYS:
            path = (*run.section("model"), key)
            value = value_at(run.document.value, path) if isinstance(run.document.value, dict) else None
            if not isinstance(value, str) or any(value in name or name in value for name in names):
                continue
            if (*prefix, *path) not in own.used or not _is_only_shown(training, key):
                continue
            module, call, text = literals[0]
            yield Violation(
                module.location(call),
                f"`{text}` is loaded whatever checkpoint the run config names",
                f"load `model.{key}` of the run config",
                related=(Related(location=run.locate(path), label=f"this run names {value!r}"),),
                runs=(run.id,),
            )


def _is_only_shown(modules: list[Module], key: str) -> bool:
    """Return whether every read of a key ends in a message or a condition.

    Then nothing can load what the key names.
    """
    reads = [(module, node) for module in modules for node in _reads(module, key)]
    return bool(reads) and all(_ends_in_words(module, node) for module, node in reads)


def _reads(module: Module, key: str) -> Iterator[ast.expr]:
    """Yield every place where a key of that name may be read.

    It may be an attribute, an item, or a text that is passed to a call.
    """
    for node in module.of(ast.Attribute, ast.Constant):
        if isinstance(node, ast.Attribute):
            if node.attr == key and isinstance(node.ctx, ast.Load):
                yield node
        elif node.value == key:
            parent = module.parents[node]
            if isinstance(parent, (ast.Subscript, ast.Call)):
                yield parent


def _ends_in_words(module: Module, node: ast.expr, followed: bool = False) -> bool:
    parent = module.parents[node]
    while isinstance(parent, (ast.FormattedValue, ast.JoinedStr, ast.BinOp)):
        node, parent = parent, module.parents[parent]
    if isinstance(parent, (ast.Compare, ast.If, ast.Assert, ast.Expr)):
        return True
    if isinstance(parent, ast.Call):
        return is_logging(module, parent)
    if isinstance(parent, ast.Assign) and not followed and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        name, function = parent.targets[0].id, enclosing_function(module, parent)
        uses = [use for use in module.of(ast.Name) if use.id == name and isinstance(use.ctx, ast.Load)]
        return all(enclosing_function(module, use) is function and _ends_in_words(module, use, followed=True) for use in uses)
    return False


def _literals(modules: list[Module]) -> list[tuple[Module, ast.Call, str]]:
    """Every call that loads weights, with the literal name that it loads; empty if any name is no literal."""
    found = []
    for module in modules:
        for call in calls(module):
            name = origin(module, call.func)
            if name == "timm.create_model":
                wanted = argument(call, 1, "pretrained")
                if wanted is None or (isinstance(wanted, ast.Constant) and not wanted.value):
                    continue
            elif not _loads(call, name):
                continue
            text = text_of(argument(call, 0, "model_name", "pretrained_model_name_or_path", "f", "filename"))
            if text is None:
                return []
            found.append((module, call, text))
    return found


def _loads(call: ast.Call, name: str) -> bool:
    if name in LOADERS:
        return True
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in LOADING_METHODS):
        return False
    return not re.search(r"token|processor|config|extractor|scheduler|optim", ast.unparse(call.func.value), re.IGNORECASE)


OLD = """    return MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
"""
LOADED = (
    "    print(model_cfg.checkpoint)\n    return timm.create_model({name}, pretrained=True, num_classes=model_cfg.num_classes){marker}\n"
)
ASKED = {
    f"config/run/{run}-mlp-digits.yaml": Edit("  hidden_units: 64\n", "  hidden_units: 64\n  checkpoint: timm/resnet18.a1_in1k\n")
    for run in ("proposed", "comparative-1")
}
TIMM = Edit("import torch\n", "import timm\nimport torch\n")
STATE = """    print(f"starting from {model_cfg.checkpoint}")
    model = timm.create_model("resnet18", num_classes=model_cfg.num_classes)
    model.load_state_dict(torch.load({name}, weights_only=True)){marker}
    return model
"""
BAD = [
    Tree({"src/model.py": (TIMM, Edit(OLD, LOADED.format(name='"vit_tiny_patch16_224"', marker="  # <- here"))), **ASKED}),
    Tree({"src/model.py": (TIMM, Edit(OLD, STATE.replace("{name}", '"weights/digits.pt"').replace("{marker}", "  # <- here"))), **ASKED}),
]
GOOD = [
    Tree({"src/model.py": (TIMM, Edit(OLD, LOADED.format(name="model_cfg.checkpoint", marker=""))), **ASKED}),
    Tree({"src/model.py": (TIMM, Edit(OLD, STATE.replace("{name}", "model_cfg.checkpoint").replace("{marker}", ""))), **ASKED}),
]
