"""`gonogo review-json`: the answer of a language-model reviewer, built from the facts.

It has the form that older pipelines take.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.options import (
    STDIN,
    AiContext,
    AiMode,
    AiModel,
    AiTimeout,
    AiUrl,
    Debug,
    PlanFile,
    PolicyFile,
    Samples,
    ai_options,
    check_paths,
    policy_of,
)
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import StageError, UsageError
from gonogo.pool.pool import Pool, Task
from gonogo.report import plain


def command(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="Generated files as one JSON object, or a folder; - is standard input.")],
    plan: PlanFile = None,
    answer: Annotated[
        str | None, typer.Option(metavar="FILE", help="Hold this reviewer's answer against the facts instead, claim by claim.")
    ] = None,
    config: PolicyFile = None,
    ai: AiMode = None,
    ai_model: AiModel = None,
    ai_url: AiUrl = None,
    ai_context: AiContext = None,
    ai_timeout: AiTimeout = None,
    samples: Samples = None,
    debug: Debug = False,
) -> None:
    """Answer as a language-model reviewer would, {"is_code_ready": …, "code_issue": …}, from the facts."""

    def act() -> int:
        check_paths(bundle, plan, answer)
        with context.obj.pool as pool:
            if answer is not None:
                return look_into(answer, bundle, plan, pool)
            policy = policy_of(config)
            options = ai_options(policy, ai, ai_model, ai_url, samples, ai_context, ai_timeout)
            if ai is None and options.model is not None and options.mode == "off":
                options = options.model_copy(update={"mode": "block"})  # a model that is configured is meant to be asked
            return answer_from_facts(_task(bundle, plan, pool), CheckOptions(policy=policy, ai=options), pool, debug)

    context.obj.action = act


def answer_from_facts(task: Task, options: CheckOptions, pool: Pool, debug: bool) -> int:
    """Print `{"is_code_ready": …, "code_issue": …}` and nothing else.

    Raises:
        UsageError: no bundle, or no plan.
    """
    (result,) = pool.run([task], options)
    if result.usage:
        raise UsageError(result.usage)
    if result.traceback and debug:
        print(plain.block(result.traceback), file=sys.stderr)
    verdict = plain.verdict(result.verdict)
    print(plain.to_json({"is_code_ready": verdict.is_code_ready, "code_issue": verdict.code_issue}))
    return 0


def _task(bundle: str, plan: str | None, pool: Pool) -> Task:
    if bundle != STDIN:
        return Task(bundle, bundle, plan)
    from gonogo.model.experiment import read_stdin

    return Task(pool.keep(read_stdin()), "standard input", plan)


def look_into(answer: str, bundle: str, plan: str | None, pool: Pool) -> int:
    """Hold the claims of somebody's answer against the facts, and print a table of what comes of each.

    Raises:
        UsageError: a file that is no answer, bundle or plan.
        StageError: gonogo itself failed.
    """
    from rich.table import Table
    from rich.text import Text

    from gonogo.compose.client import Composer
    from gonogo.engine.pipeline import facts_of
    from gonogo.engine.reviewing import known_of
    from gonogo.model import experiment as experiments
    from gonogo.model import plan as plans
    from gonogo.report.console import ReportConsole
    from gonogo.reviewer.prose import claims_in, settle

    experiment = experiments.load(_task(bundle, plan, pool).source, plans.load(Path(plan)) if plan else None, bundle)
    claims = claims_in(_issue(answer))
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
