"""`gonogo review-json`: the answer of a language-model reviewer, in the form that older pipelines take, from the facts."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.cli.check import STDIN, ai_options, check_paths, loaded_policy
from gonogo.model.errors import StageError, UsageError
from gonogo.pool.pool import Pool, Task


@dataclass(frozen=True)
class Request:
    """What the command line asks for."""

    bundle: str
    plan: str | None
    config: str | None
    ai: dict[str, Any]
    answer: str | None
    debug: bool


def run(request: Request, pool: Pool) -> int:
    """Print `{"is_code_ready": …, "code_issue": …}` and nothing else; or, with an answer to look into, a table of its claims.

    Raises:
        UsageError: a file that is not there, or no bundle, plan or answer.
        StageError: gonogo itself failed.
    """
    with pool:
        check_paths([request.bundle, *(path for path in (request.plan, request.answer) if path)])
        if request.answer is not None:
            return _look_into(request, pool)
        policy = loaded_policy(request.config)
        ai = ai_options(policy, request.ai)
        if request.ai.get("mode") is None and ai["model"] is not None and ai["mode"] == "off":
            ai["mode"] = "block"  # a model that is configured is meant to be asked
        options = {"timeout": 60.0, "policy": policy.model_dump(mode="json") if policy else None, "ai": ai}
        (result,) = pool.run([_task(request, pool)], options)
        if result.usage:
            raise UsageError(result.usage)
        if result.traceback and request.debug:
            print(result.traceback, file=sys.stderr)
        verdict = result.verdict
        print(json.dumps({"is_code_ready": verdict.is_code_ready, "code_issue": verdict.code_issue}, ensure_ascii=False))
        return 0


def _task(request: Request, pool: Pool) -> Task:
    if request.bundle != STDIN:
        return Task(request.bundle, request.bundle, request.plan)
    from gonogo.model.experiment import read_stdin

    return Task(pool.keep(read_stdin()), "standard input", request.plan)


def _look_into(request: Request, pool: Pool) -> int:
    """Hold the claims of somebody's answer against the facts, and print what comes of each."""
    from rich.table import Table
    from rich.text import Text

    from gonogo.compose.client import Composer
    from gonogo.engine.pipeline import facts_of
    from gonogo.engine.reviewing import known_of
    from gonogo.model import experiment as experiments
    from gonogo.model import plan as plans
    from gonogo.model.check_options import CheckOptions
    from gonogo.report import plain
    from gonogo.report.console import ReportConsole
    from gonogo.reviewer.prose import claims_in, settle

    plan = plans.load(Path(request.plan)) if request.plan else None
    experiment = experiments.load(_task(request, pool).source, plan, request.bundle)
    claims = claims_in(_issue(request.answer or ""))
    table = Table(show_lines=True)
    for title in ("claim", "facts", "which"):
        table.add_column(title, overflow="fold")
    with Composer() as composer, facts_of(experiment, CheckOptions(), composer) as (facts, verdict):
        if verdict.undecided:
            raise StageError(f"the facts are not known: {verdict.undecided[0]}")
        known = known_of(facts, verdict)
        for number, claim in enumerate(claims, 1):
            told = settle(claim, known)
            table.add_row(Text(plain.line(f"{number}. {claim}")), Text(told.standing), Text(plain.line(told.fact)))
    ReportConsole(sys.stdout).show(table)
    return 0


def _issue(path: str) -> str:
    """The prose of an answer: `code_issue` of a JSON object, or a text as it is."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}.") from error
    try:
        data = json.loads(text)
    except ValueError:
        return text
    if not isinstance(data, dict) or not isinstance(data.get("code_issue"), str):
        raise UsageError(f"{path} is no reviewer's answer: it must be a text, or JSON with `code_issue`.")
    issue: str = data["code_issue"]
    return issue
