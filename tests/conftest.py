"""What the tests share: the golden experiment as a dict of texts, and one composer process for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo import plan as plans
from gonogo.compose.client import Composer
from gonogo.experiment import Experiment, SourceFile
from gonogo.finding import Finding
from gonogo.pipeline import Options, check

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_PLAN = Path(__file__).parent / "golden.plan.yaml"


@pytest.fixture(scope="session")
def golden() -> dict[str, str]:
    """The golden experiment's files, by path."""
    files = (path for path in sorted(GOLDEN.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(GOLDEN).as_posix(): path.read_text("utf-8") for path in files}


@pytest.fixture(scope="session")
def golden_plan() -> str:
    """The text of the golden experiment's plan."""
    return GOLDEN_PLAN.read_text("utf-8")


@pytest.fixture(scope="session")
def composer() -> Iterator[Composer]:
    """A composer process that lives as long as the tests."""
    with Composer() as running:
        yield running


def experiment_of(files: dict[str, str], plan: str | None = None) -> Experiment:
    """An experiment made of texts."""
    return Experiment(
        name="test",
        files={path: SourceFile(path, text) for path, text in files.items()},
        plan=plans.parse(plan, "plan.yaml") if plan is not None else None,
    )


def run_rules(composer: Composer, files: dict[str, str], *rules: str, plan: str | None = None) -> list[Finding]:
    """Run some rules (all: none named) over files given as texts.

    Anything undecided is a failure, but for syntax that the Python under test is too old for.
    """
    verdict = check(experiment_of(files, plan), Options(select=rules), composer)
    assert not [reason for reason in verdict.undecided if "can't be parsed by the Python" not in reason]
    return verdict.findings


@pytest.fixture
def judge(composer: Composer) -> Callable[..., list[Finding]]:
    """`run_rules` with the composer that all tests share."""

    def run(files: dict[str, str], *rules: str, plan: str | None = None) -> list[Finding]:
        return run_rules(composer, files, *rules, plan=plan)

    return run
