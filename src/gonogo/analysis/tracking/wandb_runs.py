"""Where runs of W&B begin, told from the text of the modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import calls, origin
from gonogo.analysis.python.options import keyword_arguments
from gonogo.model.contract import Contract, module_path

# Libraries that log under names of their own, which no text of the experiment shows.
LOGS_BY_ITSELF = re.compile(
    r"^(?:lightning|pytorch_lightning|transformers\.(?:Trainer|Seq2SeqTrainer|TrainingArguments|integrations)|trl|keras|tensorflow|accelerate"
    r"|ultralytics|wandb\.(?:integration|keras|sklearn|xgboost|lightgbm))(?:\.|$)"
)
# Trainers that log to what their arguments name, and nowhere else.
TRAINERS = re.compile(r"^transformers\.(?:Trainer|Seq2SeqTrainer|(?:Seq2Seq)?TrainingArguments|TrainerCallback)$")
SETTINGS_OF_TRAINERS = re.compile(r"^transformers\.(?:Seq2Seq)?TrainingArguments$")
RUN_NAMES = re.compile(r"^(?:wandb|run|wandb_run|wb|wb_run|wandb_logger|logger|tracker)$")


def training_modules(modules: Mapping[str, Module], contract: Contract) -> list[Module]:
    """Every module but the one of the evaluation."""
    return [module for path, module in modules.items() if path != module_path(contract.evaluation.module)]


def is_init(module: Module, call: ast.Call) -> bool:
    """Whether a call begins a run at W&B."""
    return origin(module, call.func) in ("wandb.init", "wandb.sdk.wandb_init.init")


def trainers_report_nothing(modules: Iterable[Module]) -> bool:
    """Return whether all arguments of transformers' trainers have `report_to=[]` or `"none"`.

    At least one such object must be made.
    """
    made = [(module, call) for module in modules for call in calls(module) if SETTINGS_OF_TRAINERS.match(origin(module, call.func))]
    return bool(made) and all(_is_nowhere(keyword_arguments(module, call).get("report_to")) for module, call in made)


def _is_nowhere(node: ast.expr | None) -> bool:
    """Return whether a `report_to` setting names no tracker: an empty list, or `none`.

    If it is left out, every tracker that is installed is used.
    """
    if isinstance(node, (ast.List, ast.Tuple)):
        return all(isinstance(entry, ast.Constant) and entry.value == "none" for entry in node.elts)
    return isinstance(node, ast.Constant) and node.value == "none"


def begins_elsewhere(module: Module) -> bool:
    """Whether a library may begin the run: its logger or its setting is named."""
    if any(LOGS_BY_ITSELF.match(name) for name in module.imports.values()):
        return True
    return any(isinstance(node.value, str) and node.value == "wandb" for node in module.of(ast.Constant))


def handles(module: Module) -> set[str]:
    """What the module calls its runs, as it is written: `run`, `self.run`; `wandb` itself among them."""
    found = {name for name, meaning in module.imports.items() if meaning == "wandb"}
    for node in module.of(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.withitem):
        value: ast.expr | None = getattr(node, "context_expr", None) or getattr(node, "value", None)
        if not isinstance(value, ast.Call) or not is_init(module, value):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None) or getattr(node, "optional_vars", None)]
        found.update(qualified_name(target) for target in targets if target is not None)
    return found - {""}
