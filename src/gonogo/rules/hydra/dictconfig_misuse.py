"""HYD110."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gonogo.analysis.interpreter.trace import Trace, Wrong
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.unknown_config_key import expression

SINCE = 12  # the minor version of Python 3 whose `dataclasses.asdict` copies a defaultdict
ACTIONS = {
    "json": "convert it first: `OmegaConf.to_container(cfg, resolve=True)`",
    "isinstance": "ask for `DictConfig` or `ListConfig` (`collections.abc.Mapping` or `Sequence`) as well",
    "signature": "pass the parameters by name, or take the key out of the config",
    "vars": "convert it: `OmegaConf.to_container(cfg, resolve=True)`",
    "uploaded whole": "give it `OmegaConf.to_container(cfg, resolve=True)`",
    "uploaded": "give it `OmegaConf.to_container(cfg, resolve=True)`",
}


@rule("HYD110", "dictconfig-misuse", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA)
def dictconfig_misuse(traces: list[Trace], pyproject: Pyproject | None, experiment: Experiment) -> Iterator[Violation]:
    """A DictConfig or ListConfig is used where only a plain dict or list will do.

    What it does:
        Finds `json.dump` of a config, `isinstance(config, dict)` and `isinstance(values, (list, tuple))` on their own, `**config` into a
        function of the project that lacks a parameter for one of its keys, `vars(config)`, and `cfg.hydra`, which `@hydra.main` takes out
        of the config. `wandb.init(config=dict(config))` is a warning, and so is `wandb.init(config=config)`, unless the project asks for a
        Python before 3.12.

    Why it matters:
        The first and the `hydra` node raise, and so does `**config`; the second is silently false, so the branch never runs; `vars` gives
        what OmegaConf keeps for itself. W&B turns a DictConfig into a dict by its attributes: one of them holds a `defaultdict`, which
        `dataclasses.asdict` could not copy before Python 3.12; since then the config of the W&B run stays empty. Of `dict(config)` it
        stores each section as one text: evaluation can ask for no key in it.

    Instead:
        Convert with `OmegaConf.to_container(cfg, resolve=True)`; ask `HydraConfig.get()` for Hydra's own settings.
    """
    is_old = _asks_for_old_python(pyproject, experiment)
    for trace in traces:
        for misuse in trace.misuses:
            location = misuse.site.module.location(misuse.site.node)
            message, action = f"a part of the config is misused: {misuse.detail}", ACTIONS[misuse.what]
            is_mild = misuse.what is Wrong.UPLOADED or (misuse.what is Wrong.UPLOADED_WHOLE and not is_old)
            severity = Severity.WARNING if is_mild else None
            yield Violation(location, message, action, runs=(trace.run_id,), severity=severity)
        for access in trace.accesses:
            if access.path == ("hydra",) and not access.guarded and not access.doubtful:
                location = access.site.module.location(access.site.node)
                action = "use `hydra.core.hydra_config.HydraConfig.get()`"
                yield Violation(
                    location, f"`{expression(access.site)}`: the config of a task has no `hydra` node", action, runs=(trace.run_id,)
                )


def _asks_for_old_python(pyproject: Pyproject | None, experiment: Experiment) -> bool:
    """Whether the project is surely run by a Python before 3.12."""
    wanted = re.match(r"(?:cpython-?)?3\.(\d+)", (experiment.text(".python-version") or "").strip())
    if wanted is not None:
        return int(wanted[1]) < SINCE
    try:
        admitted = SpecifierSet(str(pyproject.project.get("requires-python", ""))) if pyproject is not None else SpecifierSet()
    except InvalidSpecifier:
        return False
    return not any(admitted.contains(f"3.{minor}.{patch}") for minor in range(SINCE, SINCE + 12) for patch in (0, 5, 20))


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
_WHOLE = (Edit(_INIT, f"{_INIT}  # <- here"), Edit(_PLAIN, "cfg"))
BAD += [Tree({"src/train.py": _WHOLE}), Tree({"src/train.py": _WHOLE, ".python-version": "3.11\n"})]
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
