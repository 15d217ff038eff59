"""What the tests share: the golden experiment as a dict of texts, and one composer process for all of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from experiments_of_texts import GOLDEN, GOLDEN_PLAN, run_rules
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from gonogo.compose.client import Composer
from gonogo.model.finding import Finding

# A shell starts what it puts into the background deaf to Ctrl-C, and so would be the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same examples every time, however busy the machine: a change fails for what it changed, not for what chance chose or how long it took.
settings.register_profile("gonogo", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gonogo")
# Hypothesis also draws constants that it finds in the modules loaded so far, which depend on the tests that ran before. It has no setting
# for that; the version is pinned by uv.lock, and `tests/test_same_examples.py` fails should this no longer work.
providers._get_local_constants = providers.Constants  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _no_service_for_others() -> Iterator[None]:
    """W&B's client in this process tells programs that are started later to send through it, and would go on where they are killed."""
    yield
    os.environ.pop("WANDB_SERVICE", None)


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


@pytest.fixture
def judge(composer: Composer) -> Callable[..., list[Finding]]:
    """`run_rules` with the composer that all tests share."""

    def run(files: dict[str, str], *rules: str, plan: str | None = None) -> list[Finding]:
        return run_rules(composer, files, *rules, plan=plan)

    return run
