"""The stage `advise`.

It asks the reviewer, checks its answers against the facts, and gives the rules what is left.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from gonogo.engine.facts import Facts
from gonogo.model.contract import module_path
from gonogo.model.finding import Stage
from gonogo.model.options import AiOptions
from gonogo.model.verdict import ReviewedClaim, ReviewReport, StageReport, Verdict
from gonogo.reviewer import prompt as prompts
from gonogo.reviewer.asking import Asked, Asker
from gonogo.reviewer.client import Client, OpenAIClient
from gonogo.reviewer.deadline import Deadline
from gonogo.reviewer.review import Review
from gonogo.reviewer.verify import Known, Verified, together, verify
from gonogo.rules.base import settling

MOST_NAMED = 6


def review(
    verdict: Verdict,
    facts: Facts,
    settings: AiOptions,
    judge: Callable[[Stage], object],
    progress: Callable[[str, str, str, str], None],
    client: Client | None = None,
) -> None:
    """Run the stage.

    Args:
        verdict: what is known so far; filled in.
        facts: of the experiment.
        settings: how to ask.
        judge: lets the rules of the stage speak.
        progress: hears that it began, and ended.
        client: the model, instead of the one that the settings name.

    Raises:
        UsageError: there is no model, no key or no template to ask with.
    """
    started = time.monotonic()
    traces = facts.get("traces")
    contract = facts.get("contract")
    established = prompts.establish(facts.get("modules"), traces, verdict.findings, verdict.stages, verdict.notes)
    evaluation = module_path(contract.evaluation.module)
    told = prompts.told_about(facts.get("experiment"), facts.get("plan"), traces, verdict.findings, established, evaluation)
    client = client or OpenAIClient(settings)
    model = settings.model or ""
    progress(Stage.ADVISE, model, "start", "")
    deadline = Deadline(settings.timeout, lambda passed: progress(Stage.ADVISE, model, "line", f"of at most {settings.timeout:g} s"))
    with contextlib.closing(client):
        asked = Asker(client, settings, deadline, lambda most: prompts.build(told, contract, most, settings.templates)).ask()
    progress(Stage.ADVISE, model, "end", asked.problem or f"{sum(len(answer.claims) for answer in asked.answers)} claims")
    known = known_of(facts, verdict)
    found = Review(settings.mode, orders=prompts.orders_in(facts.get("experiment")), answers=len(asked.answers))
    found.claims = together([verify(claim, known) for claim in answer.claims] for answer in asked.answers)
    facts.give("review", found)
    spent = asked.spent
    verdict.review = ReviewReport(
        mode=settings.mode,
        model=settings.model or "",
        rung=spent.rung,
        samples=len(asked.answers),
        cached=spent.cached,
        repairs=spent.repairs,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        usd=spent.usd(settings),
        seconds=spent.seconds,
        context_tokens=asked.context_tokens,
        left_out=asked.left_out,
        claims=[reviewed(one) for one in found.claims],
    )
    if asked.left_out:
        verdict.notes.append(_left_out(asked))
    problem = asked.problem
    if problem and not asked.answers:
        verdict.notes.append(f"The AI reviewer was left out: {problem}.")
        if settings.mode == "block":
            verdict.undecided.append(f"the AI reviewer gave no answer: {problem}")
    elif problem:
        verdict.notes.append(f"The AI reviewer answered {len(asked.answers)} of {settings.samples} times: {problem}.")
    status = "skipped" if problem and not asked.answers else "ran"
    verdict.stages.append(StageReport(name=Stage.ADVISE, status=status, reason=problem, seconds=round(time.monotonic() - started, 3)))
    judge(Stage.ADVISE)


def _left_out(asked: Asked) -> str:
    named = asked.left_out[:MOST_NAMED]
    more = f" and {len(asked.left_out) - MOST_NAMED} more" if len(asked.left_out) > MOST_NAMED else ""
    holds = f", which holds {asked.context_tokens:,} tokens," if asked.context_tokens is not None else ""
    return f"The AI reviewer{holds} was not shown everything; left out: {'; '.join(named)}{more}."


def known_of(facts: Facts, verdict: Verdict) -> Known:
    """The facts that claims are held against."""
    return Known(
        facts.get("experiment"),
        facts.get("contract"),
        facts.get("modules"),
        facts.get("traces"),
        facts.get("pyproject"),
        tuple(verdict.findings),
        tuple(verdict.stages),
        settling(),
    )


def reviewed(one: Verified) -> ReviewedClaim:
    """A settled claim as the verdict has it."""
    claim = one.claim
    return ReviewedClaim(
        kind=claim.kind,
        path=claim.path,
        line=one.line or claim.line,
        what=claim.what,
        standing=one.standing,
        fact=one.fact,
        votes=one.votes,
    )
