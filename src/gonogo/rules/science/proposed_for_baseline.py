"""SCI128."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.tracked import Gained, Runs
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

PROPOSED = re.compile(r"^(?:proposed|ours?)(?![A-Za-z])")
BASELINE = re.compile(r"^(?:comparative|baseline|base)(?![A-Za-z])")


@rule("SCI128", "proposed-for-baseline", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def proposed_for_baseline(evaluation_trace: Trace | None) -> Iterator[Violation]:
    """The evaluation reports how much better the baseline is than the proposed method.

    What it does:
        Follows the evaluation of all runs of the plan, with their ids and run configs, to the relative gains that it computes:
        `(one - other) / other`. Speaks where a run called proposed stands below the line, and one called comparative or baseline above it,
        or the proposed one as well; and never, at this place, the other way round. It is a warning where another place has it right. Silent
        where it is not known which run a number comes from.

    Why it matters:
        The improvement is reported with the wrong sign, or as zero: what chooses the baseline (the first name in alphabetical order, the
        last run, a part of a name) chooses the proposed method.

    Instead:
        Choose the baseline by its run id or method, in so many words.
    """
    places: dict[ast.AST, list[Gained]] = {}
    for gain in evaluation_trace.of(Gained) if evaluation_trace is not None else ():
        places.setdefault(gain.site.node, []).append(gain)
    right = {node for node, gains in places.items() if any(_all(PROPOSED, gain.ours) and _all(BASELINE, gain.theirs) for gain in gains)}
    for node, gains in places.items():
        for gain in [gain for gain in gains if _is_turned(gain)][:1] if node not in right else ():
            ours, theirs = ("the same run" if gain.is_same else f"`{sorted(gain.ours)[0]}`"), sorted(gain.theirs)[0]
            yield Violation(
                gain.site.module.location(node),
                f"the proposed method is taken for the baseline: this is the gain of {ours} over `{theirs}`",
                "choose the baseline by its run id or method, in so many words",
                runs=tuple(sorted(gain.ours | gain.theirs)),
                severity=Severity.WARNING if right else None,
                certainty=Certainty.LIKELY if right else Certainty.DERIVED,
            )


def _is_turned(gain: Gained) -> bool:
    """Whether something is compared with a proposed run: a baseline, or that run itself."""
    return _all(PROPOSED, gain.theirs) and (_all(BASELINE, gain.ours) or gain.is_same)


def _all(name: re.Pattern[str], runs: Runs) -> bool:
    return bool(runs) and all(name.match(run) for run in runs)


_GAIN = '        "improvement_rate": (proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"],\n'
_HERE = Edit(_GAIN, _GAIN.replace("\n", "  # <- here\n"))
_BASELINES = '    baseline_runs = [run for run in runs if run["run_id"].startswith("comparative-")]\n'
_PROPOSED = '    proposed_runs = [run for run in runs if run["run_id"].startswith("proposed-")]\n'


def _chosen(baselines: str, proposed: str = _PROPOSED) -> tuple[Edit, Edit]:
    return Edit(_BASELINES, f"    baseline_runs = {baselines}\n"), Edit(_PROPOSED, proposed)


_SORTED = 'sorted(runs, key=lambda run: run["run_id"])'
_LAST = f"    ordered = {_SORTED}\n    proposed_runs = ordered[:1]\n"
BAD = [
    Tree({"src/evaluate.py": (*_chosen(f"{_SORTED}[-1:]"), _HERE)}),
    Tree({"src/evaluate.py": (*_chosen("ordered[1:]", _LAST), _HERE)}),
    Tree({"src/evaluate.py": (*_chosen('[run for run in runs if "label" in run["method"]]'), _HERE)}),
]
GOOD = [
    Tree({"src/evaluate.py": _chosen(f"{_SORTED}[:1]")}),
    Tree({"src/evaluate.py": _chosen('[run for run in runs if "label" not in run["method"]]')}),
    Tree({"src/evaluate.py": _chosen('sorted(runs, key=lambda run: run["test_accuracy"])[:1]')}),
    Tree({"src/evaluate.py": _chosen('[min(runs, key=lambda run: run["test_accuracy"])]')}),
]
