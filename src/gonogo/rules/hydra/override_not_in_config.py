"""HYD106."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.composing import ConfigSource
from gonogo.analysis.interpreter.trace import Process, Trace
from gonogo.analysis.project.config_places import ConfigPlaces, nearest
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composition
from gonogo.model.finding import Certainty, Fix, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.moved_keys import is_clear, move_of, override_change


@rule(
    "HYD106",
    "override-not-in-config",
    criterion=2,
    severity=Severity.ERROR,
    stage=Stage.COMPOSE,
    certainty=Certainty.PROVEN,
    settles=("composition",),
)
def override_not_in_config(traces: list[Trace], config_source: ConfigSource, config_places: ConfigPlaces) -> Iterator[Violation]:
    """An override that is passed names a key the config does not have.

    What it does:
        Lets Hydra compose with exactly the overrides that the documented command gives, and with exactly those that the code hands to a
        child process.

    Why it matters:
        Hydra refuses to override a key that is not there ("Key 'epochs' is not in struct"), so the child dies at once.

    Instead:
        Name the key as it stands in the composed config (`run.training.epochs=1`), or add it with `+key=value`.
    """
    for trace in traces:
        for process in trace.processes:
            if process.run_lost:
                continue
            for override, composition in process.failing:
                if not config_source.grammar_fault(override) and not process.assumed:
                    yield _violation(trace, process, override, composition, config_places)


def _violation(trace: Trace, process: Process, override: str, refused: Composition, places: ConfigPlaces) -> Violation:
    key = override.partition("=")[0].lstrip("+~")
    config = trace.config
    near = nearest(config, tuple(key.split(".")))
    hint = f"; did you mean `{'.'.join(near)}`?" if near else ""
    action = f"override `{'.'.join(near)}` instead" if near else f"add `{key}` to the config"
    related: tuple[Related, ...] = ()
    if process.launched is None:
        location = at(places.shared_path)
        message = f"the documented command passes `{key}=…`, which the config does not have{hint}"
        action = f"add `{key}` to the shared config"
    else:
        launched = process.launched.module.location(process.launched.node)
        location = place_of_override(process.launched.module, key) or launched
        message = f"the override `{key}=…` handed to `{process.module}` is not in its config{hint}"
        related = (Related(location=launched, label=f"`{process.module}` is started here"),) if location != launched else ()
    cause, fix = None, None
    if near and process.launched is not None:
        move = move_of(tuple(key.split(".")), near)
        change = override_change(process.launched.module.lines, location, key, near)
        cause = move.cause(f"`{key}=…`")
        if change is not None:
            fix = Fix(what=f"override `{'.'.join(near)}` in place of `{key}`", changes=(change,), is_safe=is_clear(config, move))
    return Violation(location, message, action, related, (trace.run_id,), f"{override}\n{refused.message}", cause=cause, fix=fix)


def place_of_override(module: Module, key: str) -> Location | None:
    """Where the code writes the text `key=…`."""
    for node in module.of(ast.JoinedStr, ast.Constant):
        text = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value.lstrip("+~").startswith(f"{key}="):
            return module.location(node)
    return None


BAD = [
    Tree(
        {"src/main.py": Edit('        overrides.append("wandb.mode=disabled")', '        overrides.append("training.epochs=1")  # <- here')}
    ),
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false\n", ""),
            "src/main.py": Edit('    overrides.append(f"trial_mode={cfg.trial_mode}")\n', ""),
        },
        at="config/config.yaml",
    ),
]
GOOD = Tree({"src/main.py": Edit('        overrides.append("wandb.mode=disabled")', '        overrides.append("run.training.epochs=1")')})
