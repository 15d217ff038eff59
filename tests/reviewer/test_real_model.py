"""A real model, far too small for the task: its limits are kept, and what it makes up changes no verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN
from real_model import CONTEXT, served

pytestmark = pytest.mark.slow
LIMIT = 120  # seconds of the stage, unless it is asked for otherwise
ELSE = 60  # seconds for everything else on a machine that has other work
# So small a model repeats what it is shown: here, a fault that the golden experiment has not.
EXAMPLE = {
    "kind": "syntax",
    "path": "src/train.py",
    "line": 3,
    "quote": "import torch",
    "subject": "",
    "what": "SyntaxError: the import is broken.",
    "severity": "error",
}


@pytest.fixture(scope="module")
def model() -> Iterator[tuple[str, str]]:
    with served() as there:
        yield there


def review(model: tuple[str, str], tmp_path: Path, *options: str) -> tuple[dict[str, Any], float]:
    url, name = model
    started = time.monotonic()
    asked = ("--ai-model", name, "--ai-url", url, "--plan", GOLDEN_PLAN, "--format", "json", *options)
    done = gonogo("check", GOLDEN, *asked, seconds=2400, XDG_CACHE_HOME=str(tmp_path), NO_PROXY="127.0.0.1")
    return json.loads(done.stdout), time.monotonic() - started


def assert_verdict_of_the_facts(verdict: dict[str, Any]) -> None:
    assert verdict["outcome"] == "GO"
    assert verdict["undecided"] == []
    assert [finding for finding in verdict["findings"] if not finding["rule"].startswith("AIR")] == []
    assert all(finding["severity"] != "error" for finding in verdict["findings"])


def test_prompt_and_answer_fit_into_a_small_context(model: tuple[str, str], tmp_path: Path) -> None:
    config = tmp_path / "policy.toml"
    config.write_text("[ai]\nmax_output_tokens = 100\nretries = 0\n")
    options = ("--ai", "advise", "--ai-context", "2048", "--ai-timeout", "2000", "--config", str(config))
    verdict, _ = review(model, tmp_path, *options)
    used = verdict["review"]
    assert used["input_tokens"] > 0, "it has answered, well or not"
    calls = 1 + used["repairs"]
    assert used["input_tokens"] + used["output_tokens"] <= 2048 * calls
    assert_verdict_of_the_facts(verdict)


def test_what_it_makes_up_is_dropped_by_the_facts(model: tuple[str, str], tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "system.md.j2").write_text("You answer with JSON and nothing else. {# {{ fence }} #}")
    answer = json.dumps({"claims": [EXAMPLE]})
    (templates / "user.md.j2").write_text(f"Repeat this JSON exactly: {answer}\n{{# {{{{ files }}}} #}}")
    config = tmp_path / "policy.toml"
    config.write_text(f'[ai]\nmax_output_tokens = 150\ntemplates = "{templates}"\n')
    options = ("--ai", "block", "--ai-context", "2048", "--ai-timeout", "2000", "--config", str(config))
    verdict, _ = review(model, tmp_path, *options)
    assert verdict["review"]["samples"] == 1, verdict["notes"]
    claims = verdict["review"]["claims"]
    assert claims
    assert {claim["standing"] for claim in claims} <= {"refuted", "unquoted"}
    assert_verdict_of_the_facts(verdict)


# The last one: the server goes on with what it was asked although nobody waits for it.
def test_ends_within_the_limit_of_the_stage(model: tuple[str, str], tmp_path: Path) -> None:
    verdict, seconds = review(model, tmp_path, "--ai", "advise", "--ai-context", str(CONTEXT))
    assert seconds < LIMIT + ELSE
    stage = next(stage for stage in verdict["stages"] if stage["name"] == "advise")
    assert stage["seconds"] <= LIMIT + 5
    assert_verdict_of_the_facts(verdict)
    assert verdict["review"]["context_tokens"] == CONTEXT
    assert any("holds 8,192 tokens, was not shown everything; left out:" in note for note in verdict["notes"])
    if verdict["review"]["samples"] == 0:
        assert any("The AI reviewer was left out" in note for note in verdict["notes"])
