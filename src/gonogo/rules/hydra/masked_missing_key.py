"""HYD114."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Access, Trace
from gonogo.analysis.project.config_places import NOTHING, ConfigPlaces, paths_of, value_at
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.unknown_config_key import expression

SILENT_KINDS = frozenset({"get", "getattr", "select", "attribute", "item"})


@rule("HYD114", "masked-missing-key", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("config-key",))
def masked_missing_key(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Violation]:
    """A default hides that a key is looked up in the wrong place.

    What it does:
        Finds reads with a default (`.get(key, default)`, `getattr`, a swallowing `except`) of a key that is absent there, while the same
        key stands elsewhere in the run with another value that no run ever reads. A placeholder in the shared config hides
        a key in the same way: `optuna.n_trials` is read there, and the run's own `run.optuna.n_trials` never is.

    Why it matters:
        Nothing fails: every run silently uses the default, and the settings under test are never in force.

    Instead:
        Read the key where it is, without a default.
    """
    complete = all(trace.complete and not trace.loads_unknown for trace in traces)
    for trace in traces if complete else ():
        for access in trace.accesses:
            other = meant_elsewhere(access, trace, traces)
            if other is None:
                continue
            run = config_places.runs.get(trace.run_id)
            place = config_places.locate(other, run, trace.composition)
            dotted = ".".join(other)
            yield Violation(
                access.site.module.location(access.site.node),
                f"`{expression(access.site)}` looks for `{'.'.join(access.path)}`, which is absent; "
                f"the run has it as `{dotted}`, which nothing reads",
                f"read `{dotted}`, without a default",
                (Related(location=place, label="the value that is never used"),) if place else (),
                (trace.run_id,),
            )
    if complete:
        yield from _hidden_by_placeholder(traces, runs, modules, contract, config_places)


def _hidden_by_placeholder(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Violation]:
    """One fault for each setting of the shared config that is read in place of the run config's own."""
    for run, own, prefix, leaf in hidden_keys(traces, runs, config_places):
        path = tuple(map(str, leaf))
        place = _reading(modules, contract, path)
        if place is not None:
            meant = ".".join((*prefix, *path))
            yield Violation(
                place,
                f"`{'.'.join(path)}` is the shared config's; the run config's own, `{meant}`, is read by nothing",
                f"read `{meant}`, and take the placeholder out of the shared config",
                (Related(location=run.locate(leaf), label="the value that is never used"),),
                (run.id,),
                evidence=f"the shared config has {value_at(own.composition.config, path)!r}" if own.composition else "",
            )


def hidden_keys(
    traces: list[Trace], runs: list[Run], config_places: ConfigPlaces
) -> Iterator[tuple[Run, Trace, tuple[str, ...], tuple[str | int, ...]]]:
    """Yield keys of run configs for which the shared config's differing value is read instead.

    Yields the run, its trace, where the run config stands in the composed config, and the key in the run config.
    """
    for run in runs:
        own = next((trace for trace in traces if trace.run_id == run.id and trace.composition is not None), None)
        prefix = config_places.prefix_of(run, own.composition) if own is not None else None
        if own is None or own.composition is None or not prefix:
            continue
        for leaf in run.document.leaves:
            path = tuple(map(str, leaf))
            if len(path) < 2 or path not in own.used or any(trace.is_used((*prefix, *path)) for trace in traces):
                continue
            shared, wanted = value_at(own.composition.config, path), value_at(own.composition.config, (*prefix, *path))
            if shared is not NOTHING and shared != wanted and not isinstance(shared, dict):
                yield run, own, prefix, leaf


def _reading(modules: dict[str, Module], contract: Contract, path: tuple[str, ...]) -> Location | None:
    """The first place in the training's code that reads a key by its last two names."""
    for module in training_modules(modules, contract):
        for node in module.of(ast.Attribute):
            if node.attr == path[-1] and isinstance(node.ctx, ast.Load) and qualified_name(node).split(".")[-2:] == list(path[-2:]):
                return module.location(node)
    return None


def meant_elsewhere(access: Access, trace: Trace, traces: list[Trace]) -> tuple[str, ...] | None:
    """The one key of the same name that stands elsewhere, with a value of its own that nothing reads."""
    if not access.guarded or access.doubtful or access.kind not in SILENT_KINDS or access.status != "absent":
        return None
    config = trace.config
    same = [path for path in paths_of(config) if path[-1] == access.path[-1] and path != access.path]
    tail = access.path[-2:]
    if len(access.path) > 1 and any(path[-2:] == tail for path in same):
        same = [path for path in same if path[-2:] == tail]
    if len(same) != 1 or any(other.is_used(same[0]) for other in traces):
        return None
    value = value_at(config, same[0])
    if value is NOTHING or value is None or isinstance(value, dict) or value == access.default:
        return None
    return same[0]


BAD = [
    Tree({"src/train.py": Edit("cfg.run.training.epochs\n", 'cfg.get("epochs", 3)  # <- here\n')}),
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false\n", "trial_mode: false\ntraining:\n  epochs: 1\n"),
            "src/train.py": Edit("cfg.run.training.epochs\n", "cfg.training.epochs  # <- here\n"),
        }
    ),
]
GOOD = Tree({"src/train.py": Edit("cfg.run.training.epochs\n", 'cfg.run.training.get("epochs", 3)\n')})
