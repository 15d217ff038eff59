"""Experiments made of texts, the golden one among them, and rules run over them: what several test modules call by name."""

from __future__ import annotations

from pathlib import Path

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.finding import Finding

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_PLAN = Path(__file__).parent / "golden.plan.yaml"


def experiment_of(files: dict[str, str], plan: str | None = None) -> Experiment:
    """An experiment made of texts."""
    return Experiment(
        name="test",
        files={path: source_file(path, text) for path, text in files.items()},
        plan=plans.parse(plan, "plan.yaml") if plan is not None else None,
    )


def run_rules(composer: Composer, files: dict[str, str], *rules: str, plan: str | None = None) -> list[Finding]:
    """Run some rules (all: none named) over files given as texts.

    Anything undecided is a failure, but for syntax that the Python under test is too old for.
    """
    verdict = check(experiment_of(files, plan), CheckOptions(select=rules), composer)
    assert not [reason for reason in verdict.undecided if "can't be parsed by the Python" not in reason]
    return verdict.findings
