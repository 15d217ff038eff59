"""What the tests share: the golden experiment, one composer for the session, and a judge of trees held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo import plan as plans
from gonogo.compose.client import Composer
from gonogo.experiment import Experiment, SourceFile
from gonogo.pipeline import Options, check
from gonogo.plan import Plan
from gonogo.verdict import Verdict

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden"
GOLDEN_PLAN = TESTS / "golden.plan.yaml"
LEFTOVERS = ("__pycache__", ".venv", ".cache", "outputs", "results", "wandb", "uv.lock")

Judge = Callable[..., Verdict]


@pytest.fixture(scope="session")
def golden() -> dict[str, str]:
    """The files of the golden experiment by path."""
    files = (path for path in sorted(GOLDEN.rglob("*")) if path.is_file())
    return {
        path.relative_to(GOLDEN).as_posix(): path.read_text() for path in files if not set(path.relative_to(GOLDEN).parts) & set(LEFTOVERS)
    }


@pytest.fixture(scope="session")
def golden_plan() -> Plan:
    """The plan of the golden experiment."""
    return plans.load(GOLDEN_PLAN)


@pytest.fixture(scope="session")
def composer() -> Iterator[Composer]:
    """One child process for all tests: starting Hydra is the dear part."""
    with Composer() as shared:
        yield shared


@pytest.fixture(scope="session")
def judge(composer: Composer, golden_plan: Plan) -> Judge:
    """A function that judges files held in memory: `judge(files, plan=golden plan, **options)`."""

    def judge_files(files: dict[str, str], plan: Plan | None = golden_plan, **options: object) -> Verdict:
        experiment = Experiment("test", {path: SourceFile(path, text) for path, text in files.items()}, plan)
        return check(experiment, Options(**options), composer)  # type: ignore[arg-type]

    return judge_files
