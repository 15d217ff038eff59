"""A real generated bundle, kept outside the project: every finding was held against its code by hand, and none may come or go unnoticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli import answered

from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.finding import Severity
from gonogo.model.verdict import Verdict

SEED = Path(__file__).parents[2] / "shared" / "seed"
BUNDLE, PLAN = SEED / "experiment_code.json", SEED / "plan.json"

pytestmark = pytest.mark.skipif(not BUNDLE.exists(), reason="the real bundle is not part of the project and is not beside it")

PROPOSED = "config/run/proposed-ResNet-18 (11M)-CIFAR-10-C (severity 5).yaml"
ERRORS = {
    ("HYD103", PROPOSED, 1),
    ("HYD104", "src/model.py", 22),
    *(("HYD104", "src/preprocess.py", line) for line in (119, 123, 129, 130, 136, 138)),
    *(("HYD104", "src/train.py", line) for line in (125, 128, 129, 130, 172, 176, 177, 182)),
    ("HYD105", PROPOSED, 5),
    ("HYD105", PROPOSED, 36),
    *(("HYD106", "src/main.py", line) for line in (38, 39, 40, 41)),
    ("TRI109", "src/main.py", 71),
    ("DAT101", "src/preprocess.py", 117),
    ("EVA102", "src/evaluate.py", 49),
    ("EVA102", "src/evaluate.py", 121),
    ("OPT101", "src/train.py", 96),
    ("WDB102", "src/train.py", 199),
    ("ENV107", "src/train.py", 148),
    ("EVA109", "src/evaluate.py", 108),
    ("MOD102", "src/model.py", 24),
}
WARNINGS = {
    *(("HYD105", PROPOSED, line) for line in (7, 8, 31, 32, 33, 34, 59)),
    ("ENV102", "src/evaluate.py", 17),
    ("ENV102", "src/main.py", 16),
    ("EVA108", "src/evaluate.py", 108),
    ("IMP102", "src/evaluate.py", 2),
}


@pytest.fixture(scope="module")
def verdict(composer) -> Verdict:
    return check(BUNDLE, CheckOptions(plan=plans.load(PLAN)), composer)


def places(verdict: Verdict, severity: Severity) -> set[tuple[str, str, int | None]]:
    return {(finding.rule, finding.location.path, finding.location.line) for finding in verdict.findings if finding.severity is severity}


def test_exactly_the_findings_that_were_checked_by_hand(verdict):
    assert places(verdict, Severity.ERROR) == ERRORS
    assert places(verdict, Severity.WARNING) == WARNINGS
    assert verdict.undecided == []


def test_what_must_be_named_is_named(verdict):
    for text in (
        "`cfg.method`",
        "cfg.training.",
        "dataset.root",
        "model.name",
        "training.epochs=",
        "dataset.batch_size=",
        "optuna.n_trials=",
        "run id",
        "pretrained_checkpoint",
        "`optuna`",
        "no code creates or optimises a study",
        "cache_dir",
    ):
        assert text in verdict.code_issue, text


def test_each_fault_is_one_finding_for_both_runs(verdict):
    assert all(len(finding.runs) == 2 for finding in verdict.findings if finding.stage == "compose")


def test_the_command_line_says_the_same():
    command = [sys.executable, "-m", "gonogo", "check", str(BUNDLE), "--plan", str(PLAN), "--format", "json"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    answer = json.loads(process.stdout)
    assert process.returncode == 1, process.stderr
    assert answer["is_code_ready"] is False
    assert answer["code_issue"].startswith("1. ")


def test_five_claims_of_the_seeds_reviewer_against_the_facts() -> None:
    """Each was checked by hand: all five are true, and the facts confirm them."""
    done = answered("review-json", SEED / "experiment_code.json", "--plan", SEED / "plan.json", "--answer", SEED / "reviewer_answer.json")
    assert done.returncode == 0
    standings = [word for word in ("confirmed", "refuted", "open") for _ in range(done.stdout.count(f"│ {word}"))]
    assert standings == ["confirmed"] * 5
    assert all(rule in done.stdout for rule in ("HYD104", "DAT101", "HYD105", "EVA102"))
