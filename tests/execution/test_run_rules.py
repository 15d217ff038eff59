"""The rules of the stages that run the experiment, against their own examples: each example is really run."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.finding import Finding, Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.verdict import Outcome, Verdict
from gonogo.rules.base import MARKER, Rule, Tree, all_rules

pytestmark = pytest.mark.slow
RULES = [rule for rule in all_rules().values() if rule.stage.runs_code]
PROPOSED = "proposed-mlp-digits"
# Rules that speak only where every run of the plan was rehearsed, and evaluated.
WHOLE = {"TRI107", "TRN151", "MOD105", "WDB106", "EVA106", "EVA110", "EVA111", "EVA114", "SCI115", "SCI116", "SCI117"}
SECONDS = {"TRI104": 25.0}  # its example sleeps

Run = Callable[..., Verdict]


@pytest.fixture(scope="session")
def run_tree(golden: dict[str, str], golden_plan: str, composer: Composer) -> Run:
    """Runs a changed golden experiment through a stage, for some rules alone."""

    def run(tree: Tree, stage: Stage, select: tuple[str, ...] = (), runs: tuple[str, ...] = (), seconds: float = 150.0) -> Verdict:
        files = {path: SourceFile(path, text.replace(MARKER, "")) for path, text in tree.apply(golden).items()}
        experiment = Experiment("test", files, plans.parse(tree.plan or golden_plan, "plan.yaml"))
        python = None if "ENV105" in select else sys.prefix
        trial = ExecutionOptions(python=python, runs=runs, run_timeout=seconds, keep_going=True)
        return check(experiment, CheckOptions(select=select, to=stage, execution=trial), composer)

    return run


def _cases(kind: int) -> list[object]:
    return [pytest.param(rule, tree, id=f"{rule.id}-{number}") for rule in RULES for number, tree in enumerate(rule.examples()[kind])]


def _findings(run_tree: Run, rule: Rule, tree: Tree) -> list[Finding]:
    runs = () if rule.id in WHOLE else (PROPOSED,)
    return run_tree(tree, rule.stage, (rule.id,), runs, SECONDS.get(rule.id, 150.0)).findings


@pytest.mark.parametrize(("rule", "tree"), _cases(0))
def test_bad_example_is_found_once_where_it_says(rule: Rule, tree: Tree, golden: dict[str, str], run_tree: Run) -> None:
    marked = [
        (path, place)
        for path, text in sorted(tree.apply(golden).items())
        for place, line in enumerate(text.split("\n"), 1)
        if line.endswith(MARKER)
    ]
    assert len(marked) == (0 if tree.at else 1), "mark one line with the marker, or name the file with `at`"
    findings = _findings(run_tree, rule, tree)
    assert len(findings) == 1, findings
    (finding,) = findings
    assert (finding.location.path, finding.location.line) == (marked[0] if marked else (tree.at, finding.location.line))
    assert finding.severity is rule.severity
    assert finding.message
    assert not finding.action.endswith(".")


@pytest.mark.parametrize(("rule", "tree"), [case for case in _cases(1) if case.values[1] != Tree()])  # type: ignore[attr-defined]
def test_good_example_is_left_alone(rule: Rule, tree: Tree, run_tree: Run) -> None:
    assert _findings(run_tree, rule, tree) == []


def test_golden_experiment_is_ready_through_the_rehearsal(run_tree: Run) -> None:
    verdict = run_tree(Tree(), Stage.REHEARSAL)
    assert verdict.findings == []
    assert verdict.undecided == []
    assert verdict.outcome is Outcome.GO
    ran = {stage.name: [(run.run, run.status) for run in stage.runs] for stage in verdict.stages if stage.runs}
    both = [(PROPOSED, "ok"), ("comparative-1-mlp-digits", "ok")]
    assert ran == {"trial": both, "rehearsal": [*both, ("evaluation", "ok")]}
