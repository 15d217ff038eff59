"""The stages in order, for one experiment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.entries import find_entries
from gonogo.analysis.project.survey import Survey
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composer
from gonogo.engine.facts import Facts, ProjectFacts
from gonogo.engine.policy import Application, describe, mentions_itself, repository_policy
from gonogo.engine.workspace import Workspace
from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import StageError, UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Stage, merge_findings
from gonogo.model.policy import Policy
from gonogo.model.runs import Run, collect_runs
from gonogo.model.verdict import StageReport, Verdict
from gonogo.rules.base import Rule, select
from gonogo.system.version import __version__

#: Gets the stage, the run, what happened and a text; see `gonogo.engine.running`.
Progress = Callable[[str, str, str, str], None]


@dataclass
class _Progress:
    """How far one experiment has come.

    Attributes:
        texts: of its files, by path.
        policies: those that count, with who made each.
        ran: the ids of the rules that run.
        unseen: modules no rule could look into, with what that means.
        uncomposed: runs that Hydra was never asked to compose.
    """

    verdict: Verdict
    texts: dict[str, str] = field(default_factory=dict)
    policies: list[tuple[str, Policy]] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)
    unseen: list[tuple[str, str]] = field(default_factory=list)
    uncomposed: list[str] = field(default_factory=list)

    def doubts(self) -> list[str]:
        """What no one looked at, where no finding that still counts says so: the silence of the rules then means nothing."""
        blocked = {finding.location.path for finding in self.verdict.findings if finding.blocks}
        return [reason for path, reason in self.unseen if path not in blocked] + ([] if blocked else self.uncomposed)


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the texts of the files it points into (a report shows excerpts)."""

    verdict: Verdict
    sources: dict[str, str]


def check(source: str | Path | Experiment, options: CheckOptions | None = None, composer: Composer | None = None) -> Verdict:
    """Judge one experiment: read it, check it, compose every run.

    Args:
        source: a folder, a bundle, `-` for a bundle on standard input, or an experiment already read.
        options: the caller's choices.
        composer: a running composer to share; a new one is started and ended otherwise.

    Raises:
        UsageError: the source can't be read, or an option names nothing.
    """
    return judge(source, options, composer).verdict


def judge(
    source: str | Path | Experiment,
    options: CheckOptions | None = None,
    composer: Composer | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> Judgement:
    """As `check`, with the texts that a report needs.

    Args:
        source: a folder, a bundle, `-` for a bundle on standard input, or an experiment already read.
        options: the caller's choices.
        composer: a running composer to share; a new one is started and ended otherwise.
        name: what the verdict calls the experiment, instead of the experiment's own name.
        progress: hears of the stages that run the experiment.

    Raises:
        UsageError: the source can't be read, or an option names nothing.
    """
    options = options or CheckOptions()
    select_rules(options)
    verdict = Verdict(experiment=name or _name(source), contract="", gonogo_version=__version__)
    found = _Progress(verdict)
    with nullcontext(composer) if composer else Composer() as active:
        try:
            with _time_limit(options.timeout) as stop_clock:
                _judge(source, options, active, found, progress, stop_clock)
        except _TimeUp:
            verdict.undecided.append(f"it took more than {options.timeout:g} s, so not everything was checked")
    verdict.findings = merge_findings(verdict.findings)
    Application(found.policies, options.baseline, options.trust_repo).apply(verdict, found.texts, found.ran)
    verdict.undecided += found.doubts()
    places = [place.path for finding in verdict.findings for place in (finding.location, *(other.location for other in finding.related))]
    return Judgement(verdict, {path: found.texts[path] for path in dict.fromkeys(places) if path in found.texts})


def _policies(options: CheckOptions, experiment: Experiment) -> list[tuple[str, Policy]]:
    """The policies that count, the caller's first."""
    own = repository_policy(experiment) if options.trust_repo else None
    return [(by, policy) for by, policy in (("config", options.policy), ("repository", own)) if policy is not None]


def _chosen(options: CheckOptions, policies: list[tuple[str, Policy]], experiment: Experiment) -> tuple[CheckOptions, list[str]]:
    """The options with what the policies choose and the command line leaves open, and notes: a GO from some rules is none from all."""
    notes = [note for by, policy in policies for note in describe(policy, by)]
    if mentions_itself(experiment) and not options.trust_repo:
        notes.append("The experiment's own [tool.gonogo] was not heeded (--trust-repo).")
    select = options.select or next((tuple(policy.select) for _, policy in policies if policy.select), ())
    contract = options.contract or next((policy.contract for _, policy in policies if policy.contract), None)
    notes += [f"Only these rules ran: {', '.join(select)}."] if select else []
    notes += [f"These rules were left out: {', '.join(options.ignore)}."] if options.ignore else []
    return options.model_copy(update={"select": select, "contract": contract}), notes


def _name(source: str | Path | Experiment) -> str:
    if isinstance(source, Experiment):
        return source.name
    return "standard input" if source == "-" else str(source)


def _judge(
    source: str | Path | Experiment,
    given: CheckOptions,
    composer: Composer,
    progress: _Progress,
    listener: Progress | None,
    stop_clock: Callable[[], None],
) -> None:
    """Fill in the verdict, stage by stage: what is there when the time is up stays."""
    started = time.perf_counter()
    verdict, texts = progress.verdict, progress.texts
    experiment = source if isinstance(source, Experiment) else experiments.load(str(source), given.plan, verdict.experiment)
    progress.policies = _policies(given, experiment)
    options, notes = _chosen(given, progress.policies, experiment)
    verdict.notes += notes
    rules = select_rules(options)
    if options.contract is None:
        contract, verdict.contract_reason = contracts.detect(experiment)
        suggested = contracts.suggestion(experiment, contract)
        verdict.notes += [suggested] if suggested else []
    else:
        contract, verdict.contract_reason = contracts.load(options.contract), "chosen by the caller"
    if options.entries and contract.entries is None:
        raise UsageError(f"The contract {contract.name} says itself what is started: --entry goes with --contract generic.")
    rules = [rule for rule in rules if contract.covers(rule.id, rule.scope)]
    last = list(Stage).index(Stage(options.to))
    advised = options.ai.mode != "off"
    progress.ran = {rule.id for rule in rules if list(Stage).index(rule.stage) <= last or (advised and rule.stage is Stage.ADVISE)}
    if not rules:
        verdict.undecided.append(f"none of the selected rules belongs to the contract {contract.name}")
    runs = collect_runs(experiment, contract) if contract.entries is None else []
    verdict.contract = contract.name
    verdict.runs = [run.id for run in runs]
    verdict.notes += experiment.notes
    texts.update((run.path, run.text) for run in runs if run.path is not None)
    texts.update((path, file.text) for path, file in experiment.files.items() if file.text is not None)
    verdict.stages.append(StageReport(name=Stage.READ, status="ran", seconds=round(time.perf_counter() - started, 4)))
    with Workspace(experiment, runs) as workspace:
        known = {"experiment": experiment, "contract": contract, "composer": composer, "workspace": workspace}
        if contract.entries is not None:
            if Stage(options.to).runs_code:
                raise UsageError(f"The contract {contract.name} does not say how runs are started: --to goes with another.")
            _judge_project(progress, rules, ProjectFacts(**known, entries=options.entries))
            return
        facts = Facts(**known, runs=runs)
        _run_stages(verdict, rules, facts, texts)
        progress.unseen = list(_unseen(facts.get("modules")))
        if any(rule.stage is Stage.COMPOSE for rule in rules) and all(stage.status == "ran" for stage in verdict.stages):
            progress.uncomposed = list(_uncomposed(runs, facts.get("traces")))
        if Stage(options.to).runs_code or advised:
            stop_clock()  # these stages have limits of their own
            _run_dearer_stages(verdict, rules, facts, texts, options, listener or (lambda *_: None))


def _run_dearer_stages(
    verdict: Verdict, rules: list[Rule], facts: Facts, texts: dict[str, str], options: CheckOptions, listener: Progress
) -> None:
    """The stages that run the experiment, and the AI reviewer."""

    def judge_stage(stage: Stage) -> None:
        verdict.undecided.extend(_unable(_run_rules(stage, verdict, rules, facts, texts)))

    verdict.findings = merge_findings(verdict.findings)
    if Stage(options.to).runs_code:
        from gonogo.engine.running import Running

        Running(verdict, facts, judge_stage, options.execution, Stage(options.to), listener).run()
    if options.ai.mode != "off":
        from gonogo.engine.reviewing import review

        blocking = sum(finding.blocks for finding in verdict.findings)
        if blocking and not options.execution.keep_going:
            reason = (
                f"{blocking} finding{'s' if blocking > 1 else ''} of the stages before block{'' if blocking > 1 else 's'} (--keep-going)"
            )
            verdict.stages.append(StageReport(name=Stage.ADVISE, status="skipped", reason=reason))
        else:
            review(verdict, facts, options.ai, judge_stage, listener)


@contextmanager
def facts_of(experiment: Experiment, options: CheckOptions, composer: Composer) -> Iterator[tuple[Facts, Verdict]]:
    """The facts about an experiment, and what its static rules find, for as long as the block lasts.

    Args:
        experiment: of a contract that documents runs.
        options: the caller's choices.
        composer: a running composer.

    Raises:
        UsageError: an option names nothing.
    """
    contract = contracts.load(options.contract) if options.contract else contracts.detect(experiment)[0]
    verdict = Verdict(experiment=experiment.name, contract=contract.name, gonogo_version=__version__)
    runs = collect_runs(experiment, contract)
    texts = {run.path: run.text for run in runs if run.path is not None}
    texts |= {path: file.text for path, file in experiment.files.items() if file.text is not None}
    with Workspace(experiment, runs) as workspace:
        facts = Facts(experiment=experiment, contract=contract, composer=composer, workspace=workspace, runs=runs)
        _run_stages(verdict, [rule for rule in select_rules(options) if contract.covers(rule.id, rule.scope)], facts, texts)
        verdict.findings = merge_findings(verdict.findings)
        yield facts, verdict


def _judge_project(progress: _Progress, rules: list[Rule], facts: Facts) -> None:
    """The stages for a project whose entry points are its runs."""
    verdict = progress.verdict
    find_entries(facts.get("modules"), facts.get("entries"))  # a name that is none is the caller's mistake, not a failure of a stage
    _run_stages(verdict, rules, facts, progress.texts)
    progress.unseen = list(_unseen(facts.get("modules")))
    if any(rule.stage is Stage.COMPOSE for rule in rules) and all(stage.status == "ran" for stage in verdict.stages):
        survey: Survey = facts.get("survey")
        verdict.runs = [run.id for run in survey.runs]
        verdict.notes += survey.notes
        verdict.undecided += survey.undecided


def _unseen(modules: dict[str, Module]) -> Iterator[tuple[str, str]]:
    """Modules that the rules could not look into, with what that means."""
    for module in modules.values():
        if module.fault is not None:
            problem = f"can't be parsed by the Python that gonogo runs on ({module.fault.message}), so its code was not checked"
            yield module.path, f"{module.path} {problem}"


def _uncomposed(runs: list[Run], traces: list[Trace]) -> Iterator[str]:
    """Runs that Hydra was never asked to compose: nothing found in them means nothing."""
    if not runs:
        yield "there is no run to compose: give the plan with --plan, or add the run configs"
    for run in runs:
        own = [trace for trace in traces if trace.run_id == run.id]
        if own and not any(process.compositions for trace in own for process in trace.processes):
            yield f"the run {run.id} was not composed: no config path and name could be read off the code"


def select_rules(options: CheckOptions) -> list[Rule]:
    """The rules the caller wants.

    Raises:
        UsageError: a name that matches no rule.
    """
    try:
        return select(options.select, options.ignore)
    except LookupError as error:
        raise UsageError(f"No rule matches '{error.args[0]}': `gonogo rules` lists them.") from error


def _run_stages(verdict: Verdict, rules: list[Rule], facts: Facts, texts: dict[str, str]) -> None:
    for stage in (Stage.CHECK, Stage.COMPOSE):
        started = time.perf_counter()
        failures = _run_rules(stage, verdict, rules, facts, texts)
        report = StageReport(name=stage, status="failed" if failures else "ran", seconds=round(time.perf_counter() - started, 4))
        if failures:
            report.reason = failures[0][1]
            verdict.undecided += _unable(failures)
        verdict.stages.append(report)


def _run_rules(stage: Stage, verdict: Verdict, rules: list[Rule], facts: Facts, texts: dict[str, str]) -> list[tuple[str, str]]:
    """Let the rules of a stage speak; those that could not, with the reason."""
    failures = []
    for rule in (rule for rule in rules if rule.stage is stage):
        try:
            verdict.findings.extend([rule.finding(violation, _line(violation.location, texts)) for violation in facts.call(rule.find)])
        except Exception as error:
            failures.append((rule.id, str(error) if isinstance(error, StageError) else f"{type(error).__name__}: {error}"))
    return failures


def _unable(failures: list[tuple[str, str]]) -> list[str]:
    """What to say of rules that could not run, each reason once."""
    causes: dict[str, list[str]] = {}
    for rule_id, reason in failures:
        causes.setdefault(reason, []).append(rule_id)
    return [f"{', '.join(ids)} could not run: {reason}" for reason, ids in causes.items()]


def _line(place: Location, texts: dict[str, str]) -> str:
    lines = _lines(texts.get(place.path, ""))
    return lines[place.line - 1] if place.line and place.line <= len(lines) else ""


@lru_cache(maxsize=16)
def _lines(text: str) -> list[str]:
    return text.splitlines()


class _TimeUp(BaseException):
    """Raised by the alarm; not an Exception, so that no rule's own error handling can take it for its own."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[Callable[[], None]]:
    """Bound a block in wall-clock time, where signals reach it (the main thread of a process); gives what stops the clock.

    Raises:
        _TimeUp: the time is over.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield lambda: None
        return

    def ring(*_: object) -> None:
        raise _TimeUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, 0) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
