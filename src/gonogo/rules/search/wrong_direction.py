"""OPT126."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.trace import Call, Searched, Trace
from gonogo.analysis.python.modules import qualified_name
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.training.goodness import Better, Goodness
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

STUDIES = frozenset({"optuna.create_study", "optuna.study.create_study"})
WANTED = {"maximize": Better.LARGER, "minimize": Better.SMALLER}


@rule("OPT126", "wrong-direction", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def wrong_direction(traces: list[Trace], sources: Sources) -> Iterator[Violation]:
    """The search looks for the worst value of its metric.

    What it does:
        Follows each run to the study that it makes, with the direction that the code or the config gives (Optuna minimises where none is
        given), and the objective to the number that it returns: by the keys, names and functions that it comes from. Speaks where all of
        them say that it is an accuracy, a score of its kind or a reward, and the study minimises it; or a loss or an error, and the study
        maximises it. A sign that is turned round counts.

    Why it matters:
        Of all the parameters that were tried, the run is made with the worst.

    Instead:
        `direction="maximize"` for an accuracy, `direction="minimize"` for a loss.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace, sources))


def _of_run(trace: Trace, sources: Sources) -> Iterator[Violation]:
    studies = [call for call in trace.calls if call.name in STUDIES]
    directions = {_direction(call) for call in studies}
    if len(directions) != 1 or (direction := directions.pop()) is None:
        return
    goodness = Goodness(sources.symbols, lambda node: _setting(trace, node))
    for search in trace.of(Searched):
        if search.objective is None:
            continue
        better = goodness.returned(search.objective.module, search.objective.node)
        if better in (Better.LARGER, Better.SMALLER) and better is not WANTED[direction]:
            said = f"{direction}s" if studies[0].constant("direction") is not None else f"{direction}s, as it is told no direction,"
            kind = "larger" if better is Better.LARGER else "smaller"
            yield Violation(
                studies[0].site.module.location(studies[0].site.node),
                f"the search {said} what its objective returns, which is better where it is {kind}",
                f'give it `direction="{"maximize" if better is Better.LARGER else "minimize"}"`',
                related=(Related(location=search.objective.module.location(search.objective.node), label="the objective"),),
                runs=(trace.run_id,),
            )


def _direction(call: Call) -> str | None:
    """Which way a study goes; None where that is not known, or it goes several ways."""
    if call.open_keywords or call.arguments or "directions" in call.keywords:
        return None
    value = call.constant("direction")
    return "minimize" if value is None else value if isinstance(value, str) and value in WANTED else None


def _setting(trace: Trace, node: ast.expr) -> Any:
    """The value of a setting that is read as `cfg.a.b`, from the config of the run."""
    found: Any = trace.config
    for part in qualified_name(node).split(".")[1:]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


_STUDY = "    study = optuna.create_study(direction=cfg.run.optuna.direction, sampler=sampler)\n"
_RESULT = "        return scores[cfg.run.optuna.metric]\n"
_MINIMIZED = Edit(_STUDY, _STUDY.replace("cfg.run.optuna.direction", '"minimize"').replace("\n", "  # <- here\n"))
_BY_DEFAULT = Edit(_STUDY, "    study = optuna.create_study(sampler=sampler)  # <- here\n")
BAD = [
    Tree({"src/train.py": _MINIMIZED}),
    Tree({"src/train.py": (_BY_DEFAULT, Edit(_RESULT, '        best = max(0.0, scores["val_accuracy"])\n        return float(best)\n'))}),
    Tree(
        {
            "src/train.py": (
                Edit(_STUDY, _STUDY.replace("\n", "  # <- here\n")),
                Edit(_RESULT, '        return 1.0 - scores["val_accuracy"]\n'),
            )
        }
    ),
]
_PLAIN = Edit(_STUDY, _STUDY.replace("cfg.run.optuna.direction", '"minimize"'))
GOOD = [
    Tree({"src/train.py": (_PLAIN, Edit(_RESULT, f"        {text}\n"))})
    for text in (
        'return -scores["val_accuracy"]',
        'return 1 - scores["val_accuracy"]',
        'return scores["val_loss"]',
        'score = scores["val_accuracy"] - scores["val_loss"]\n        return 0.5 * -score',
        "return sum(scores.values())",
    )
]
