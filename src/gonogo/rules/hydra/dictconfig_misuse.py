"""HYD110."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace, Wrong
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.unknown_config_key import expression

ACTIONS = {
    "json": "convert it first: `OmegaConf.to_container(cfg, resolve=True)`",
    "isinstance": "ask for `DictConfig` or `ListConfig` (`collections.abc.Mapping` or `Sequence`) as well",
    "signature": "pass the parameters by name, or take the key out of the config",
    "vars": "convert it: `OmegaConf.to_container(cfg, resolve=True)`",
    "uploaded": "give it `OmegaConf.to_container(cfg, resolve=True)`",
}


@rule("HYD110", "dictconfig-misuse", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA)
def dictconfig_misuse(traces: list[Trace]) -> Iterator[Violation]:
    """A DictConfig or ListConfig is used where only a plain dict or list will do.

    What it does:
        Finds `json.dump` of a config, `isinstance(config, dict)` and `isinstance(values, (list, tuple))` on their own, `**config` into a
        function of the project that lacks a parameter for one of its keys, `vars(config)`, and `cfg.hydra`, which `@hydra.main` takes out
        of the config. `wandb.init(config=dict(config))` is a warning.

    Why it matters:
        The first and the `hydra` node raise, and so does `**config`; the second is silently false, so the branch never runs; `vars` gives
        what OmegaConf keeps for itself. W&B stores each section of `dict(config)` as one text: evaluation can ask for no key in it.

    Instead:
        Convert with `OmegaConf.to_container(cfg, resolve=True)`; ask `HydraConfig.get()` for Hydra's own settings.
    """
    for trace in traces:
        for misuse in trace.misuses:
            location = misuse.site.module.location(misuse.site.node)
            message, action = f"a part of the config is misused: {misuse.detail}", ACTIONS[misuse.what]
            severity = Severity.WARNING if misuse.what is Wrong.UPLOADED else None
            yield Violation(location, message, action, runs=(trace.run_id,), severity=severity)
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
_WIDTHS = "        hidden_units=model_cfg.hidden_units,\n"
_LISTED = Edit("  hidden_units: 64", "  hidden_units: [64]")
BAD += [
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _LISTED,
            "src/model.py": Edit(
                _WIDTHS,
                "        hidden_units=(\n            model_cfg.hidden_units[0]\n"
                "            if isinstance(model_cfg.hidden_units, (list, tuple))  # <- here\n"
                "            else model_cfg.hidden_units\n        ),\n",
            ),
        }
    )
]
_INIT, _PLAIN = "    run = wandb.init(", "OmegaConf.to_container(cfg, resolve=True)"
BAD += [
    Tree({"src/train.py": Edit("    run.finish()", "    print(vars(cfg.run.training))  # <- here\n    run.finish()")}),
    Tree({"src/train.py": (Edit(_INIT, f"    whole = dict(cfg)\n{_INIT}  # <- here"), Edit(_PLAIN, "whole"))}),
]
GOOD = [
    Tree({"src/train.py": Edit(_PLAIN, "dict(OmegaConf.to_container(cfg, resolve=True))")}),
    Tree({"src/train.py": Edit(_PLAIN, "{**OmegaConf.to_container(cfg.run.training)}")}),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _LISTED,
            "src/model.py": Edit(
                _WIDTHS,
                "        hidden_units=int(model_cfg.hidden_units)\n        if isinstance(model_cfg.hidden_units, (int, float))\n"
                "        else list(model_cfg.hidden_units)[0],\n",
            ),
        }
    ),
    Tree({"src/train.py": Edit("    run.finish()", "    print(OmegaConf.to_yaml(cfg.run.training))\n    run.finish()")}),
    *(Tree({"src/train.py": Edit(_EPOCHS, f"{text}    epochs = 1 if cfg.trial_mode else wanted\n")}) for text in _TOLD_APART),
]
