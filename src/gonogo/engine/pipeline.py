"""One experiment from its files to a verdict: the stages in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.analysis.project.entries import find_entries
from gonogo.analysis.project.narrowing import narrowed
from gonogo.compose.client import Composer
from gonogo.engine.cells import by_cell, cell_texts
from gonogo.engine.facts import Facts, ProjectFacts
from gonogo.engine.judging import Judging
from gonogo.engine.policy import Application, describe, mentions_itself, repository_policy
from gonogo.engine.silence import unanswered
from gonogo.engine.time_limit import TimeUp, seconds_for, time_limit
from gonogo.engine.workspace import Workspace
from gonogo.execution.interpreter_folders import installed_versions
from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model.check_options import SHORTEST, CheckOptions
from gonogo.model.contract import Contract, Scope
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Stage, merge_findings
from gonogo.model.policy import Policy, excluding
from gonogo.model.program_file import is_program, program_of
from gonogo.model.runs import Run, collect_runs
from gonogo.model.verdict import StageReport, Verdict
from gonogo.rules.base import Rule, nearest_names, select
from gonogo.system.version import __version__

#: Gets the stage, the run, what happened and a text; see `gonogo.engine.running`.
Progress = Callable[[str, str, str, str], None]


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the texts of the files it points into (a report shows excerpts)."""

    verdict: Verdict
    sources: dict[str, str]


def check(source: str | Path | Experiment, options: CheckOptions | None = None, composer: Composer | None = None) -> Verdict:
    """Judge one experiment.

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
    limited: Callable[[float], None] | None = None,
    look: Callable[[Facts], None] | None = None,
) -> Judgement:
    """As `check`, with the texts that a report needs.

    Args:
        source: a folder, a bundle, `-` for a bundle on standard input, a program of a project, or an experiment already read.
        options: the caller's choices.
        composer: a running composer to share; a new one is started and ended otherwise.
        name: what the verdict calls the experiment, instead of the experiment's own name.
        progress: hears of the stages that run the experiment.
        limited: hears how many seconds the stages that run nothing may take from then on, where that goes by the size of the tree.
        look: gets the facts when the stages that run nothing are over, as long as the time limit allows.

    Raises:
        UsageError: the source can't be read, or an option names nothing.
    """
    options = options or CheckOptions()
    select_rules(options)
    verdict = Verdict(experiment=name or _name(source), contract="", gonogo_version=__version__)
    judging = Judging(verdict)
    policies: list[tuple[str, Policy]] = []
    with nullcontext(composer) if composer else Composer() as active:
        try:
            seconds = options.timeout or SHORTEST
            with time_limit(seconds) as set_clock:
                if isinstance(source, (str, Path)) and is_program(str(source)):
                    program = program_of(str(source), options.contract, options.plan, verdict.experiment)
                    source, options = program.experiment, program.applied_to(options)
                    verdict.notes.append(program.note)
                experiment = source if isinstance(source, Experiment) else experiments.load(str(source), options.plan, verdict.experiment)
                if options.timeout is None:
                    seconds = seconds_for(experiment)
                    set_clock(seconds)
                    if limited is not None:
                        limited(seconds)
                policies += _policies(options, experiment)
                chosen = _chosen(options, policies, experiment, verdict)
                _Pipeline(judging, chosen, active, lambda: set_clock(0), progress, look).run(experiment)
        except TimeUp:
            judging.is_cut_short = True
            verdict.undecided.append(f"it took more than {seconds:g} s, so not everything was checked (--timeout)")
    verdict.findings = merge_findings(verdict.findings)
    application = Application(options.exclude, policies, options.baseline, options.trust_repo)
    application.apply(verdict, judging.texts, judging.ran)
    if judging.facts is not None:
        unanswered(verdict, judging, application.may_block)
    by_cell(verdict, judging.notebooks)
    places = [place for finding in verdict.findings for place in (finding.location, *(other.location for other in finding.related))]
    places += [change.location for finding in verdict.findings if finding.fix is not None for change in finding.fix.changes]
    sources = {path: judging.texts[path] for path in dict.fromkeys(place.path for place in places) if path in judging.texts}
    return Judgement(verdict, sources | cell_texts(places, judging.notebooks))


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
    verdict = Verdict(experiment=experiment.name, contract="", gonogo_version=__version__)
    judging = Judging(verdict)
    pipeline = _Pipeline(judging, options, composer, lambda: None)
    contract = pipeline.contract_of(experiment)
    runs = collect_runs(experiment, contract)
    with Workspace(experiment, runs) as workspace:
        pipeline.prepare(experiment, contract, runs, workspace)
        pipeline.look()
        verdict.findings = merge_findings(verdict.findings)
        assert judging.facts is not None
        yield judging.facts, verdict


def select_rules(options: CheckOptions) -> list[Rule]:
    """The rules the caller wants.

    Raises:
        UsageError: a name that matches no rule.
    """
    try:
        return select(options.select, options.ignore)
    except LookupError as error:
        near = nearest_names(error.args[0])
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"No rule matches '{error.args[0]}': {meant}`gonogo rules` lists them.") from error


def _policies(options: CheckOptions, experiment: Experiment) -> list[tuple[str, Policy]]:
    """The policies that count, the caller's first."""
    own = repository_policy(experiment) if options.trust_repo else None
    return [(by, policy) for by, policy in (("config", options.policy), ("repository", own)) if policy is not None]


def _chosen(options: CheckOptions, policies: list[tuple[str, Policy]], experiment: Experiment, verdict: Verdict) -> CheckOptions:
    """Return the options with what the policies choose where the command line leaves it open.

    The choice is noted, since a GO from some rules is none from all.
    """
    notes = [note for by, policy in policies for note in describe(policy, by)]
    if mentions_itself(experiment) and not options.trust_repo:
        notes.append("The experiment's own [tool.gonogo] was not followed (--trust-repo).")
    select = options.select or next((tuple(policy.select) for _, policy in policies if policy.select), ())
    contract = options.contract or next((policy.contract for _, policy in policies if policy.contract), None)
    notes += [f"Only these rules ran: {', '.join(select)}."] if select else []
    notes += [f"These rules were left out: {', '.join(options.ignore)}."] if options.ignore else []
    exclude = (*options.exclude, *(pattern for _, policy in policies for pattern in policy.exclude))
    notes += [f"Findings and programs in these files and folders were left out: {', '.join(exclude)}."] if exclude else []
    idle = [pattern for pattern in exclude if not any(excluding(path, [pattern]) for path in experiment.files)]
    notes += [f"No file matches what is left out: {', '.join(idle)}."] if idle else []
    verdict.notes += notes
    verdict.docs_url = options.docs_url or next((policy.docs_url for _, policy in policies if policy.docs_url), "")
    return options.model_copy(update={"select": select, "contract": contract, "exclude": exclude})


def _name(source: str | Path | Experiment) -> str:
    if isinstance(source, Experiment):
        return source.name
    return "standard input" if source == "-" else str(source)


class _Pipeline:
    """The stages for one experiment; what is in the verdict when the time is up stays there.

    Args:
        judging: filled in.
        options: the caller's choices, the policies' with them.
        composer: composes.
        stop_clock: ends the time limit.
        progress: hears of the stages that run the experiment.
        look: gets the facts when the stages that run nothing are over.
    """

    def __init__(
        self,
        judging: Judging,
        options: CheckOptions,
        composer: Composer,
        stop_clock: Callable[[], None],
        progress: Progress | None = None,
        look: Callable[[Facts], None] | None = None,
    ) -> None:
        self.judging = judging
        self.options = options
        self.composer = composer
        self.stop_clock = stop_clock
        self.progress = progress or (lambda *_: None)
        self.look_at_facts = look or (lambda _: None)

    def run(self, experiment: Experiment) -> None:
        """Run the stages.

        Raises:
            UsageError: options that do not go together with the contract.
        """
        started = time.perf_counter()
        verdict = self.judging.verdict
        contract = self.contract_of(experiment)
        if contract.scope is Scope.PROGRAM and self.options.entries:
            experiment = narrowed(experiment, self.options.entries)
        runs = collect_runs(experiment, contract) if contract.scope is Scope.RUNS else []
        verdict.notes += experiment.notes
        with Workspace(experiment, runs) as workspace:
            self.prepare(experiment, contract, runs, workspace)
            verdict.stages.append(StageReport(name=Stage.READ, status="ran", seconds=round(time.perf_counter() - started, 4)))
            self.look()
            assert self.judging.facts is not None
            self.look_at_facts(self.judging.facts)
            if self.options.to.runs_code or self._is_advised:
                self.stop_clock()  # these stages have limits of their own
                verdict.findings = merge_findings(verdict.findings)
                self._execute()
                self._advise()

    def contract_of(self, experiment: Experiment) -> Contract:
        """The contract: the caller's choice, else what the files speak for; the verdict says why.

        Raises:
            UsageError: there is no such contract, or it does not go with the options.
        """
        verdict, options = self.judging.verdict, self.options
        if options.contract is None:
            contract, verdict.contract_reason = contracts.detect(experiment)
        else:
            contract, verdict.contract_reason = contracts.load(options.contract), "chosen by the caller"
        if options.entries and contract.scope is Scope.RUNS:
            raise UsageError(f"The contract {contract.name} says itself what is started: --entry goes with --contract generic or program.")
        if options.to.runs_code and contract.scope is not Scope.RUNS and options.execution.program is None:
            raise UsageError(
                f"The contract {contract.name} does not say how runs are started: `gonogo trial -- python train.py` tries a program."
            )
        verdict.contract = contract.name
        return contract

    def prepare(self, experiment: Experiment, contract: Contract, runs: list[Run], workspace: Workspace) -> None:
        """Make the facts, and choose the rules."""
        verdict, options, judging = self.judging.verdict, self.options, self.judging
        judging.rules = [rule for rule in select_rules(options) if contract.covers(rule.id, rule.scope)]
        if not judging.rules:
            verdict.undecided.append(f"none of the selected rules belongs to the contract {contract.name}")
        last = list(Stage).index(options.to)
        judging.ran = {
            rule.id for rule in judging.rules if list(Stage).index(rule.stage) <= last or (self._is_advised and rule.stage is Stage.ADVISE)
        }
        verdict.runs = [run.id for run in runs]
        judging.texts.update((run.path, run.text) for run in runs if run.path is not None)
        judging.texts.update((path, file.text) for path, file in experiment.files.items() if file.text is not None)
        judging.notebooks.update((path, file.notebook) for path, file in experiment.files.items() if file.notebook is not None)
        known: dict[str, Any] = {"experiment": experiment, "contract": contract, "composer": self.composer, "workspace": workspace}
        python = options.execution.python
        known["installed"] = installed_versions(Path(python)) if python is not None else {}
        if contract.scope is Scope.HYDRA:
            judging.facts = ProjectFacts(**known, entries=options.entries, exclude=options.exclude)
            find_entries(judging.facts.get("modules"), options.entries)  # a name that is none is the caller's mistake
        elif contract.scope is Scope.PROGRAM:
            judging.facts = Facts(**known, runs=[], traces=[])
        else:
            judging.facts = Facts(**known, runs=runs)

    def look(self) -> None:
        """The stages that run nothing."""
        verdict, judging = self.judging.verdict, self.judging
        for stage in (Stage.CHECK, Stage.COMPOSE):
            started = time.perf_counter()
            reason = judging.judge(stage)
            status = "failed" if reason else "ran"
            verdict.stages.append(StageReport(name=stage, status=status, reason=reason, seconds=round(time.perf_counter() - started, 4)))
        self._list_numbers()

    def _list_numbers(self) -> None:
        """Record where the numbers that the scripts report come from, for readers of the verdict.

        Nothing is recorded where no rule looks at programs.
        """
        verdict, facts = self.judging.verdict, self.judging.facts
        assert facts is not None
        if any("programs" in rule.facts for rule in self.judging.rules):
            try:
                verdict.numbers = facts.get("numbers")
            except Exception as error:
                verdict.undecided.append(f"where the reported numbers come from could not be followed: {type(error).__name__}: {error}")

    @property
    def _is_advised(self) -> bool:
        return self.options.ai.mode != "off"

    def _execute(self) -> None:
        """The stages that run the experiment."""
        if not self.options.to.runs_code:
            return
        from gonogo.engine.running import Running

        judging = self.judging
        assert judging.facts is not None
        Running(judging.verdict, judging.facts, judging.judge, self.options.execution, self.options.to, self.progress).run()

    def _advise(self) -> None:
        """The AI reviewer."""
        if not self._is_advised:
            return
        from gonogo.engine.reviewing import review

        verdict, judging = self.judging.verdict, self.judging
        blocking = sum(finding.blocks for finding in verdict.findings)
        if blocking and not self.options.execution.keep_going:
            reason = f"{_plural(blocking, 'finding')} of the stages before {'block' if blocking > 1 else 'blocks'} (--keep-going)"
            verdict.stages.append(StageReport(name=Stage.ADVISE, status="skipped", reason=reason))
            return
        assert judging.facts is not None
        review(verdict, judging.facts, self.options.ai, judging.judge, self.progress)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
