"""HYD112."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import NOTHING, ConfigPlaces, paths_of, value_at
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule

Path = tuple[str, ...]


@rule("HYD112", "run-has-no-effect", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE)
def run_has_no_effect(traces: list[Trace], runs: list[Run], contract: Contract, config_places: ConfigPlaces) -> Iterator[Violation]:
    """Selecting a run changes nothing.

    What it does:
        Looks for the run config's values in what Hydra composes for this run, in any of its processes; code that reads the file
        itself counts as well. Two run configs that say the same apart from their id are reported too.

    Why it matters:
        Every run then trains the same thing under another name, and the comparison compares a method with itself.

    Instead:
        Make the run configs a group of the defaults list (`- run: ???`), and let nothing later fix one of them.
    """
    yield from _lost(traces, config_places)
    yield from _twins(runs, contract)


def _lost(traces: list[Trace], places: ConfigPlaces) -> Iterator[Violation]:
    for trace in traces:
        run = places.runs.get(trace.run_id)
        composed = [made.config for process in trace.processes for _, made in process.compositions if made.ok and made.config is not None]
        if run is None or not composed or trace.loads_unknown or not trace.complete:
            continue
        if any(path[:2] == (FILE_ROOT, run.path) for path in trace.used | trace.used_whole):
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


def _values(run: Run) -> dict[Path, Any]:
    """The plain values of a run config by path."""
    value = run.document.value
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


BAD = Tree(
    {
        "config/run/comparative-1-mlp-digits.yaml": (
            Edit("method: cross-entropy", "method: label-smoothing"),
            Edit("objective: cross_entropy", "objective: smoothed_cross_entropy"),
            Edit("label_smoothing: 0.0", "label_smoothing: 0.1"),
        )
    },
    at="config/run/comparative-1-mlp-digits.yaml",
)
GOOD = Tree(
    {
        "config/run/comparative-1-mlp-digits.yaml": Edit(
            "run_id: comparative-1-mlp-digits", "run_id: comparative-1-mlp-digits\nnotes: the baseline"
        )
    }
)
