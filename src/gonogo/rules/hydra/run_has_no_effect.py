"""HYD112."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import NOTHING, ConfigPlaces, paths_of, value_at
from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule

Path = tuple[str, ...]
MAX_TEXT = 200
# Texts by which code may tell runs apart that read no other setting.
NAMES = re.compile(r"proposed|comparative|baseline|ours\b", re.IGNORECASE)


@rule("HYD112", "run-has-no-effect", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE)
def run_has_no_effect(
    traces: list[Trace], runs: list[Run], contract: Contract, config_places: ConfigPlaces, modules: dict[str, Module]
) -> Iterator[Violation]:
    """Selecting a run changes nothing.

    What it does:
        Looks for the run config's values in what Hydra composes for this run, in any of its processes; code that reads the file
        itself counts as well. Two run configs that say the same apart from their id are reported too, and two that differ in nothing that
        the training reads, where nothing asks for their names; and so is a value of a run config that one of the shared config replaces, as
        without `_self_` first that is merged last.

    Why it matters:
        Every run then trains the same thing under another name, and the comparison compares a method with itself.

    Instead:
        Make the run configs a group of the defaults list (`- run: ???`), and let nothing later fix one of them.
    """
    yield from _lost(traces, config_places)
    yield from _overruled(traces, config_places)
    twins = list(_twins(runs, contract))
    yield from twins
    told = {run_id for twin in twins for run_id in twin.runs}
    if not any(NAMES.search(text) for module in training_modules(modules, contract) for text in _texts(module)):
        yield from _alike_in_training([run for run in runs if run.id not in told], traces, contract, config_places)


def _texts(module: Module) -> Iterator[str]:
    """The short texts of a module that are no docstrings."""
    for node in module.of(ast.Constant):
        if isinstance(node.value, str) and len(node.value) < MAX_TEXT and not isinstance(module.parents.get(node), ast.Expr):
            yield node.value


def _alike_in_training(runs: list[Run], traces: list[Trace], contract: Contract, places: ConfigPlaces) -> Iterator[Violation]:
    """Runs that differ from another one in nothing that the training of either reads.

    Where a key is looked up that is not there, that is the fault, and what else is read cannot be told.
    """
    full = {trace.run_id: trace for trace in traces if trace.command == "full" and not trace.accesses}
    ignored = [*contract.run_config.descriptive_keys, contract.run_config.identity]
    known: list[tuple[Run, Trace, dict[Path, Any]]] = []
    for run in runs:
        trace = full.get(run.id)
        if trace is None or trace.composition is None or not trace.complete or trace.loads_unknown or run.path is None:
            continue
        prefix = places.prefix_of(run, trace.composition)
        if prefix is None or _reads_the_file(run, trace):
            continue
        mine = _plain_values(trace.composition.config)
        for other, others, theirs in known:
            differing = [path for path in {**theirs, **mine} if path[0] != "hydra" and mine.get(path, NOTHING) != theirs.get(path, NOTHING)]
            own = {path: path[len(prefix) :] if path[: len(prefix)] == prefix else path for path in differing}
            apart = [path for path in differing if not any(fnmatchcase(".".join(own[path]), pattern) for pattern in ignored)]
            if apart and not any(each.is_used(path) for path in apart for each in (trace, others)):
                keys = ", ".join(f"`{'.'.join(own[path])}`" for path in apart[:3])
                yield Violation(
                    run.locate(next((own[path] for path in apart if own[path] in run.document.places), ())),
                    f"this run trains just as `{other.id}` does: the training reads nothing that tells them apart ({keys})",
                    "let the training do what the setting says",
                    runs=(other.id, run.id),
                )
                break
        known.append((run, trace, mine))


def _reads_the_file(run: Run, trace: Trace) -> bool:
    """Whether the code reads the run config's file by itself."""
    return any(path[:2] == (FILE_ROOT, run.path) for path in trace.used | trace.used_whole)


def _lost(traces: list[Trace], places: ConfigPlaces) -> Iterator[Violation]:
    for trace in traces:
        run = places.runs.get(trace.run_id)
        composed = [made.config for process in trace.processes for _, made in process.compositions if made.ok and made.config is not None]
        if run is None or not composed or trace.loads_unknown or not trace.complete:
            continue
        if _reads_the_file(run, trace):
            continue
        own = {path: value for path, value in _values(run).items() if _distinguishes(path, value, run, list(places.runs.values()))}
        if not own or any(_arrives(path, value, config) for config in composed for path, value in own.items()):
            continue
        place = places.shared.places.get(("defaults",))
        related = (Related(location=run.locate(next(iter(own))), label="this value, for one, is nowhere in the composed config"),)
        yield Violation(
            at(places.shared_path, place.line if place else None),
            "selecting a run has no effect: nothing of its run config is in the composed config, and no code reads the file",
            "add the run configs to the defaults list as a group, so that the run's override selects one",
            related,
            (trace.run_id,),
        )


def _overruled(traces: list[Trace], places: ConfigPlaces) -> Iterator[Violation]:
    """Yield values of a run config that the shared config's own value replaces.

    The shared config is merged later.
    """
    for trace in traces:
        run, composition = places.runs.get(trace.run_id), trace.composition
        prefix = places.prefix_of(run, composition) if run is not None else None
        if run is None or composition is None or composition.config is None or prefix is None or trace.loads_unknown:
            continue
        if _reads_the_file(run, trace):
            continue
        given = {text.partition("=")[0].lstrip("+~") for text in composition.overrides}
        for path, value in _values(run).items():
            place = (*prefix, *path)
            shared, composed = value_at(places.shared.value, place), value_at(composition.config, place)
            is_plain = not isinstance(shared, (dict, list)) and not (isinstance(value, str) and "${" in value)
            if shared is NOTHING or composed is NOTHING:
                continue
            if path[0] == "defaults" or not is_plain or ".".join(place) in given or shared != composed or composed == value:
                continue
            yield Violation(
                places.locate(place) or at(places.shared_path),
                f"`{'.'.join(place)}` of the run config has no effect: the shared config is merged later, and puts this in its place",
                "write `- _self_` before the run's group in the defaults list, or take the key out of the shared config",
                (Related(location=run.locate(path), label="the run config says this"),),
                (trace.run_id,),
                f"run config: {value!r}; composed: {composed!r}",
            )


def _values(run: Run) -> dict[Path, Any]:
    """The plain values of a run config's own file by path."""
    return _plain_values(run.document.value)


def _plain_values(value: Any) -> dict[Path, Any]:
    return {path: inner for path in paths_of(value) if not isinstance(inner := value_at(value, path), dict) and inner is not NOTHING}


def _distinguishes(path: Path, value: Any, run: Run, runs: list[Run]) -> bool:
    """Whether a value tells this run from another one (with a single run: every value does)."""
    if isinstance(value, str) and "${" in value:
        return False
    return len(runs) == 1 or any(value_at(other.document.value, path) != value for other in runs if other is not run)


def _arrives(path: Path, value: Any, config: dict[str, Any]) -> bool:
    """Whether a value of the run config stands in the composed config under a path that ends alike."""
    return any(other[-len(path) :] == path and value_at(config, other) == value for other in paths_of(config) if other[-1] == path[-1])


def _twins(runs: list[Run], contract: Contract) -> Iterator[Violation]:
    seen: dict[str, Run] = {}
    for run in runs:
        values = {".".join(path): value for path, value in _values(run).items()}
        ignored = [*contract.run_config.descriptive_keys, contract.run_config.identity]
        content = repr(
            sorted((key, repr(value)) for key, value in values.items() if not any(fnmatchcase(key, pattern) for pattern in ignored))
        )
        if not values or run.path is None:
            continue
        first = seen.setdefault(content, run)
        if first is not run:
            yield Violation(
                run.locate(()),
                f"this run says the same as the run `{first.id}` apart from its id",
                "give the run the settings that make it another experiment, or drop it from the plan",
                (Related(location=first.locate(()), label="the other run"),),
                (first.id, run.id),
            )


_UNORDERED = Edit("  - _self_\n  - run: ???\n", "  - run: ???\n")
_SHARED = Edit("trial_mode: false\n", "run:\n  training:\n    label_smoothing: 0.05  # <- here\ntrial_mode: false\n")
BAD = [
    Tree(
        {
            "config/run/comparative-1-mlp-digits.yaml": (
                Edit("method: cross-entropy", "method: label-smoothing"),
                Edit("objective: cross_entropy", "objective: smoothed_cross_entropy"),
                Edit("label_smoothing: 0.0", "label_smoothing: 0.1"),
            )
        },
        at="config/run/comparative-1-mlp-digits.yaml",
    ),
    Tree({"config/config.yaml": (_UNORDERED, _SHARED)}),
    Tree({"config/config.yaml": (Edit(_UNORDERED.old, "  - run: ???\n  - _self_\n"), _SHARED)}),
]
_LOSS = "    criterion = build_criterion(cfg.run.method, cfg.run.training)\n"
_PLAIN = Edit(_LOSS, "    criterion = nn.CrossEntropyLoss()\n")
_NAMED = '    weights = torch.ones(10) if cfg.run.run_id.startswith("proposed") else None\n    criterion = nn.CrossEntropyLoss(weights)\n'
BAD.append(
    Tree(
        {
            "src/train.py": _PLAIN,
            "config/run/comparative-1-mlp-digits.yaml": Edit("method: cross-entropy", "method: cross-entropy  # <- here"),
        }
    )
)
_SMOOTHED = "    criterion = nn.CrossEntropyLoss(label_smoothing=cfg.run.training.label_smoothing)\n"
GOOD = [
    Tree({"src/train.py": Edit(_LOSS, _SMOOTHED)}),
    Tree({"src/train.py": Edit(_LOSS, _NAMED)}),
    Tree({"src/train.py": _PLAIN, "config/run/proposed-mlp-digits.yaml": Edit("  epochs: 15", "  epochs: 16")}),
    Tree(
        {
            "config/run/comparative-1-mlp-digits.yaml": Edit(
                "run_id: comparative-1-mlp-digits", "run_id: comparative-1-mlp-digits\nnotes: the baseline"
            )
        }
    ),
    Tree({"config/config.yaml": Edit(_SHARED.old, _SHARED.new.replace("  # <- here", ""))}),
    Tree({"config/config.yaml": (_UNORDERED, Edit(_SHARED.old, f"run:\n  training:\n    seed: 44\n{_SHARED.old}"))}),
    Tree({"config/config.yaml": (_UNORDERED, Edit(_SHARED.old, f"run:\n  training:\n    other: 1\n{_SHARED.old}"))}),
]
