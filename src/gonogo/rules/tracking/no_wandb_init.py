"""WDB101."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, argument, calls, has_open_keywords, last_name, text_of
from gonogo.analysis.tracking.wandb_runs import begins_elsewhere, is_init, training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.places import training_place

WHERE = {"entity": "WANDB_ENTITY", "project": "WANDB_PROJECT"}


@rule("WDB101", "no-wandb-init", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, settles=("tracking",))
def no_wandb_init(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """No run is begun at W&B, or not where the config says.

    What it does:
        Looks for `wandb.init` in everything but the evaluation, and for the loggers of libraries that call it. Each
        `wandb.init` must be given the entity and the project, and neither as a literal text, unless it is always disabled.

    Why it matters:
        Evaluation finds the runs under the entity and the project of the config, and nowhere else.

    Instead:
        `wandb.init(entity=cfg.wandb.entity, project=cfg.wandb.project, id=…, config=…)`.
    """
    training = training_modules(modules, contract)
    if not contract.tracking.config_keys or not training or not all_parsed(modules):
        return
    found = [(module, call) for module in training for call in calls(module) if is_init(module, call)]
    if not found:
        if not any(begins_elsewhere(module) or _mentions(module) for module in training) and any(module.definitions for module in training):
            yield Violation(
                training_place(modules, contract),
                "no code begins a run at W&B",
                "call `wandb.init` with entity and project from the config, and log every metric",
            )
        return
    text = "\n".join(module.text for module in modules.values())
    for module, call in found:
        if _lands_nowhere(module, call):
            continue
        for place, (name, variable) in enumerate(WHERE.items()):
            given = argument(call, None if name == "project" else place, name)
            if text_of(given) is not None:
                yield Violation(
                    module.location(given or call),
                    f"`wandb.init` is given the {name} {text_of(given)!r} as a literal text",
                    f"read it from the config: `{name}=cfg.wandb.{name}`",
                )
            elif given is None and not has_open_keywords(call) and variable not in text and argument(call, None, "settings") is None:
                yield Violation(
                    module.location(call),
                    f"`wandb.init` is given no {name}: the run lands wherever the account's default is",
                    f"give it `{name}=cfg.wandb.{name}`",
                )


def _lands_nowhere(module: Module, call: ast.Call) -> bool:
    """Whether the mode is always `disabled`."""
    waiting, found = [argument(call, None, "mode")], list[str | None]()
    while waiting:
        mode = waiting.pop()
        if isinstance(mode, ast.IfExp):
            waiting += [mode.body, mode.orelse]
        elif isinstance(mode, ast.Name):
            told = [node.value for node in module.of(ast.Assign) if any(last_name(target) == mode.id for target in node.targets)]
            waiting += [each if not isinstance(each, ast.Name) else None for each in told] or [None]
        else:
            found.append(text_of(mode))
    return set(found) == {"disabled"}


def _mentions(module: Module) -> bool:
    """Whether `init` of W&B is used in some other way than by a plain call."""
    return any(meaning.startswith("wandb.") for meaning in module.imports.values()) or any(
        node.attr == "init" and isinstance(node.value, ast.Name) and module.imports.get(node.value.id) == "wandb"
        for node in module.of(ast.Attribute)
    )


BAD = [
    Tree({"src/train.py": Edit("        entity=cfg.wandb.entity,\n", '        entity="my-team",  # <- here\n')}),
    Tree({"src/train.py": Edit("        project=cfg.wandb.project,\n", '        project="digits",  # <- here\n')}),
    Tree(
        {
            "src/train.py": (
                Edit("        project=cfg.wandb.project,\n", ""),
                Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
            )
        }
    ),
]
_ENABLED = "    run = wandb.init(\n"
GOOD = [
    Tree(
        {
            "src/train.py": (
                Edit("        entity=cfg.wandb.entity,\n        project=cfg.wandb.project,\n", "        **cfg.wandb,\n"),
                Edit('        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,\n', ""),
            )
        }
    ),
    Tree({"src/train.py": Edit(_ENABLED, '    run = wandb.init(mode="disabled") if cfg.trial_mode else wandb.init(\n')}),
    Tree({"src/train.py": Edit(_ENABLED, '    off = "disabled"\n    run = wandb.init(mode=off) if cfg.trial_mode else wandb.init(\n')}),
]
