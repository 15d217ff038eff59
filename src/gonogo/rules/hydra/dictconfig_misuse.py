"""HYD110."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.unknown_config_key import expression

ACTIONS = {
    "json": "convert it first: `OmegaConf.to_container(cfg, resolve=True)`",
    "isinstance": "ask for `DictConfig` (or `collections.abc.Mapping`) as well",
    "signature": "pass the parameters by name, or take the key out of the config",
}


@rule("HYD110", "dictconfig-misuse", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA)
def dictconfig_misuse(traces: list[Trace]) -> Iterator[Violation]:
    """A DictConfig is used where only a plain dict will do.

    What it does:
        Finds `json.dump` of a config, `isinstance(config, dict)` on its own, `**config` into a function of the project that lacks a
        parameter for one of its keys, and `cfg.hydra`, which `@hydra.main` takes out of the config.

    Why it matters:
        The first and the last two raise; the second is silently false, so the branch never runs.

    Instead:
        Convert with `OmegaConf.to_container(cfg, resolve=True)`; ask `HydraConfig.get()` for Hydra's own settings.
    """
    for trace in traces:
        for misuse in trace.misuses:
            location = misuse.site.module.location(misuse.site.node)
            yield Violation(location, f"a DictConfig is misused: {misuse.detail}", ACTIONS[misuse.what], runs=(trace.run_id,))
        for access in trace.accesses:
            if access.path == ("hydra",) and not access.guarded and not access.doubtful:
                location = access.site.module.location(access.site.node)
                action = "use `hydra.core.hydra_config.HydraConfig.get()`"
                yield Violation(
                    location, f"`{expression(access.site)}`: the config of a task has no `hydra` node", action, runs=(trace.run_id,)
                )


BAD = [
    Tree(
        {
            "src/train.py": (
                Edit('"""Train one run', 'import json\n\n"""Train one run'),
                Edit(
                    "    run.finish()",
                    "    run_dir.joinpath('settings.txt').write_text(json.dumps(cfg.run.training))  # <- here\n    run.finish()",
                ),
            )
        }
    ),
    Tree({"src/train.py": Edit("    run.finish()", "    print(cfg.hydra.job.name)  # <- here\n    run.finish()")}),
]
_EPOCHS = "    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n"
_TOLD_APART = (
    '    settings = cfg.run.training\n    wanted = settings["epochs"] if isinstance(settings, dict) else settings.epochs\n',
    '    settings = cfg.run.training\n    if isinstance(settings, dict):\n        wanted = settings["epochs"]\n'
    "    else:\n        wanted = settings.epochs\n",
    "    settings = cfg.run.training\n    if not isinstance(settings, dict):\n        settings = dict(settings)\n"
    '    wanted = settings["epochs"]\n',
)
GOOD = [
    Tree({"src/train.py": Edit("    run.finish()", "    print(OmegaConf.to_yaml(cfg.run.training))\n    run.finish()")}),
    *(Tree({"src/train.py": Edit(_EPOCHS, f"{text}    epochs = 1 if cfg.trial_mode else wanted\n")}) for text in _TOLD_APART),
]
