"""The stages in order, for one experiment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from gonogo import __version__
from gonogo import contract as contracts
from gonogo import experiment as experiments
from gonogo.compose.client import Composer
from gonogo.errors import StageError, UsageError
from gonogo.experiment import Experiment
from gonogo.facts import Facts
from gonogo.finding import Finding, Stage, fingerprint, merge_findings
from gonogo.plan import Plan
from gonogo.rules.base import Fault, Rule, select
from gonogo.runs import collect_runs
from gonogo.verdict import StageReport, Verdict
from gonogo.workspace import Workspace


@dataclass(frozen=True)
class Options:
    """What the caller chose.

    Args:
        contract: name or path of the contract; None to detect it.
        plan: the research plan, where it does not come with the experiment.
        select: rule ids, families or slugs to run; empty for all.
        ignore: rule ids, families or slugs not to run.
        timeout: seconds one experiment may take.
    """

    contract: str | None = None
    plan: Plan | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    timeout: float = 60.0


def check(source: str | Path | Experiment, options: Options | None = None, composer: Composer | None = None) -> Verdict:
    """Judge one experiment: read it, check it, compose every run.

    Args:
        source: a folder, a bundle, `-` for a bundle on standard input, or an experiment already read.
        options: the caller's choices.
        composer: a running composer to share; a new one is started and ended otherwise.

    Raises:
        UsageError: the source can't be read, or an option names nothing.
    """
    options = options or Options()
    rules = select_rules(options)
    with nullcontext(composer) if composer else Composer() as active, _time_limit(options.timeout):
        started = time.perf_counter()
        experiment = source if isinstance(source, Experiment) else experiments.load(str(source), options.plan)
        if options.contract is None:
            contract, reason = contracts.detect(experiment)
        else:
            contract, reason = contracts.load(options.contract), "chosen by the caller"
        runs = collect_runs(experiment, contract)
        verdict = Verdict(
            experiment=experiment.name,
            contract=contract.name,
            contract_reason=reason,
            gonogo_version=__version__,
            runs=[run.id for run in runs],
            notes=list(experiment.notes),
        )
        verdict.stages.append(StageReport(name=Stage.READ, status="ran", seconds=round(time.perf_counter() - started, 4)))
        with Workspace(experiment, runs) as workspace:
            facts = Facts(experiment=experiment, contract=contract, composer=active, workspace=workspace, runs=runs)
            _run_stages(verdict, rules, facts)
        verdict.findings = merge_findings(verdict.findings)
    return verdict


def select_rules(options: Options) -> list[Rule]:
    """The rules the caller wants.

    Raises:
        UsageError: a name that matches no rule.
    """
    try:
        return select(options.select, options.ignore)
    except LookupError as error:
        raise UsageError(f"No rule matches '{error.args[0]}': `gonogo rules` lists them.") from error


def _run_stages(verdict: Verdict, rules: list[Rule], facts: Facts) -> None:
    for stage in (Stage.CHECK, Stage.COMPOSE):
        started = time.perf_counter()
        failures = []
        for rule in (rule for rule in rules if rule.stage is stage):
            try:
                verdict.findings.extend(_finding(rule, fault, facts) for fault in facts.call(rule.find))
            except _TimeUp:
                raise
            except Exception as error:
                reason = str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}"
                failures.append((rule.id, reason, error))
        report = StageReport(name=stage, status="failed" if failures else "ran", seconds=round(time.perf_counter() - started, 4))
        if failures:
            report.reason = failures[0][1]
            causes: dict[str, list[str]] = {}
            for rule_id, reason, _ in failures:
                causes.setdefault(reason, []).append(rule_id)
            verdict.undecided += [f"{', '.join(ids)} could not run: {reason}" for reason, ids in causes.items()]
        verdict.stages.append(report)


def _finding(rule: Rule, fault: Fault, facts: Facts) -> Finding:
    location = fault.location
    text = facts.get("experiment").text(location.path) or ""
    lines = text.splitlines()
    line = lines[location.line - 1] if location.line and location.line <= len(lines) else ""
    return Finding(
        rule=rule.id,
        slug=rule.slug,
        severity=fault.severity or rule.severity,
        criterion=rule.criterion,
        stage=rule.stage,
        message=fault.message,
        action=fault.action,
        location=location,
        related=list(fault.related),
        runs=list(fault.runs),
        evidence=fault.evidence,
        fingerprint=fingerprint(rule.id, location.path, line, fault.message),
    )


class _TimeUp(BaseException):
    """Raised by the alarm; not an Exception, so that no rule's own error handling can take it for its own."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Bound a block in wall-clock time, where signals reach it (the main thread of a process)."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        raise _TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeUp as error:
        raise StageError(f"the experiment took more than {seconds:g} s to judge") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def undecided(name: str, reason: str) -> Verdict:
    """The verdict on an experiment that could not be judged."""
    return Verdict(experiment=name, contract="", gonogo_version=__version__, undecided=[reason])
