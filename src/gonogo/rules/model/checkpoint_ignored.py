"""MOD101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.config_places import ConfigPlaces, value_at
from gonogo.code.flow.trace import Trace
from gonogo.code.modules import Module
from gonogo.code.names import argument, calls, origin, text_of
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.runs import Run

KEYS = ("pretrained_checkpoint", "checkpoint", "pretrained_model", "pretrained_model_name_or_path", "hf_id", "checkpoint_path")
LOADING_METHODS = frozenset({"from_pretrained", "load_state_dict", "load_from_checkpoint"})
LOADERS = ("torch.load", "torch.hub.load", "safetensors.torch.load_file", "huggingface_hub.hf_hub_download")


@rule("MOD101", "checkpoint-ignored", criterion=4, severity=Severity.ERROR, stage=Stage.COMPOSE)
def checkpoint_ignored(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Fault]:
    """Another checkpoint is loaded than the run config names.

    What it does:
        Where the code does read the checkpoint of the run config (a key that nothing reads is HYD105's matter), looks at
        every call that loads pretrained weights: speaks if each of them names a model as a literal text, and none is the
        one that a run names.

    Why it matters:
        The run starts from other weights than its config says, and nothing in the results shows it.

    Instead:
        Hand the checkpoint of the run config to the call that loads.
    """
    literals = _literals(training_modules(modules, contract))
    if not literals:
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
            if not isinstance(value, str) or not own.is_used((*prefix, *path)) or any(value in name or name in value for name in names):
                continue
            module, call, text = literals[0]
            yield Fault(
                module.location(call),
                f"`{text}` is loaded whatever checkpoint the run config names",
                f"load `model.{key}` of the run config",
                related=(Related(location=run.locate(path), label=f"this run names {value!r}"),),
                runs=(run.id,),
            )


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
    return isinstance(call.func, ast.Attribute) and call.func.attr in LOADING_METHODS and "okenizer" not in ast.unparse(call.func.value)


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
BAD = Tree({"src/model.py": (TIMM, Edit(OLD, LOADED.format(name='"vit_tiny_patch16_224"', marker="  # <- here"))), **ASKED})
GOOD = Tree({"src/model.py": (TIMM, Edit(OLD, LOADED.format(name="model_cfg.checkpoint", marker=""))), **ASKED})
