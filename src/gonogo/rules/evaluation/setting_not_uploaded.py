"""EVA122."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.run_configs import AskedSetting, run_config
from gonogo.analysis.tracking.wandb_runs import begins_elsewhere
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("EVA122", "setting-not-uploaded", criterion=8, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("evaluation",))
def setting_not_uploaded(traces: list[Trace], asked_settings: list[AskedSetting], modules: dict[str, Module]) -> Iterator[Violation]:
    """Evaluation reads a setting of the W&B run's config that training does not put there.

    What it does:
        Follows each full run to what it gives to `wandb.init(config=…)` and `run.config.update(…)`, and holds what evaluation reads of
        `run.config` against it: reported where no run has the setting in that place. Where evaluation goes on with None it is a warning.

    Why it matters:
        The evaluation ends in a KeyError, or takes its default for what the run was: every method is then "unknown", and they are compared
        as one.

    Instead:
        Read the setting where training puts it, such as `run.config["run"]["method"]`.
    """
    full = [trace for trace in traces if trace.command == "full"]
    if not asked_settings or not full or any(begins_elsewhere(module) for module in modules.values() if "wandb" in module.imports.values()):
        return
    configs = [run_config(trace, modules) for trace in full]
    told: set[tuple[str, ...]] = set()
    for asked in sorted(asked_settings, key=lambda entry: len(entry.path)):
        if any(asked.path[: len(path)] == path for path in told):
            continue
        if any(config is None or config.has(asked.path) is not False for config in configs):
            continue
        told.add(asked.path)
        elsewhere = _elsewhere(asked.path[-1], full)
        begun = next((call.site for call in full[0].calls if call.name == "wandb.init"), None)
        is_shown = isinstance(asked.default, ast.Constant) and asked.default.value is None
        yield Violation(
            asked.module.location(asked.node),
            f"evaluation reads `{'.'.join(asked.path)}` of the run's config at W&B, where training does not put it",
            f"read it at `{elsewhere}`, or give it to `wandb.init(config=…)`" if elsewhere else "give it to `wandb.init(config=…)`",
            related=(Related(location=begun.module.location(begun.node), label="the config that training gives"),) if begun else (),
            severity=Severity.WARNING if is_shown else None,
        )


def _elsewhere(key: str, traces: list[Trace]) -> str:
    """Where the composed config has a key of this name, if it is plain."""
    for trace in traces:
        found = [".".join((*path, key)) for path in _places(trace.config, key)]
        if len(found) == 1:
            return found[0]
    return ""


def _places(config: dict[str, object], key: str) -> Iterator[tuple[str, ...]]:
    if key in config:
        yield ()
    for name, value in config.items():
        if isinstance(value, dict):
            yield from ((name, *path) for path in _places(value, key))


_METHOD = 'run.config["run"]["method"]'
_CONFIG = "        config=OmegaConf.to_container(cfg, resolve=True),\n"
BAD = [
    Tree({"src/evaluate.py": Edit(_METHOD, 'run.config.get("method", "unknown")  # <- here\n        ')}),
    Tree({"src/evaluate.py": Edit('run.config["run"]["dataset"]', 'run.config["dataset"]  # <- here\n        ')}),
]
GOOD = [
    Tree(
        {
            "src/evaluate.py": (
                Edit(_METHOD, 'run.config.get("method", "unknown")'),
                Edit('run.config["run"]["dataset"]', 'run.config["dataset"]'),
            ),
            "src/train.py": Edit(_CONFIG, _CONFIG.replace("cfg,", "cfg.run,")),
        }
    ),
    Tree({"src/evaluate.py": Edit(_METHOD, 'run.config.get("method") or run.config["run"]["method"]')}),
]
