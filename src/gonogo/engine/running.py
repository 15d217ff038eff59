"""The stages that run the experiment: trial, rehearsal and challenge.

Each runs it and then applies its rules to what was observed.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gonogo.engine.challenging import report_of, tried
from gonogo.engine.facts import Facts
from gonogo.engine.made_up import no_numbers
from gonogo.engine.pretending import pretend, runs_for
from gonogo.engine.program_seen import seen_of
from gonogo.engine.timelines import every_run, timeline
from gonogo.execution import causes, evidence
from gonogo.execution.challenge.carry_out import challenge
from gonogo.execution.challenge.matrix import Alteration
from gonogo.execution.environment import Environment, of_experiment
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Raised
from gonogo.execution.session import carry_out
from gonogo.execution.session_plan import ACCELERATOR, Bounds, Session
from gonogo.execution.uv import Refusal
from gonogo.model.contract import Command, Contract, TrainingRules
from gonogo.model.errors import StageError, UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions, ProgramCommand
from gonogo.model.runs import Run
from gonogo.model.verdict import StageReport, Verdict

#: Gets the stage, the run (empty: the stage itself), what (`start`, `line`, `end`) and a text.
Progress = Callable[[str, str, str, str], None]
BEYOND = 3  # a trial may go so many batches too far before it is cut: enough to see that it does
UNSEEN = "nobody knows what it did"
FEWEST = 16  # images of a batch: with fewer, an untrained network of ten classes is often right on none, and evaluations divide by that
# What says how much there is to do, by a pattern for the last part of a config key; a rehearsal does the least of it. Left alone are
# numbers that say when something is done (warm-up, logging), and steps that are the method's own (inner, adaptation, diffusion steps).
_WHEN = (
    r"(?!.*(?:warm|log|eval|val|save|every|interval|freq|accum|decay|patience|milestone|freeze|ramp|per_|start)"
    r"|.*(?:inner|adapt|ttt|time|noise|diffus))"
)
CAPS = {
    rf"{_WHEN}(?:\w+_)?epochs|(?:n|num|max|total)_epoch": 1,
    r"(?:\w+_)?(?:n|num|max)_(?:\w+_)?trials|bo_steps|n_calls": 1,
    rf"{_WHEN}(?:\w+_)?(?:max|total|train|training|pretrain\w*|finetune\w*|update|optim\w*|search)_(?:steps|iterations|iters)": 2,
    rf"{_WHEN}(?:n|num)_iterations|{_WHEN}(?:\w+_)?updates": 2,
    r"(?:\w+_)?batch_?size": FEWEST,
}
#: Of any program: enough batches and epochs to see what changes from one to the next. Batch sizes stay, for time and memory depend on them.
PROGRAM_CAPS = {pattern: {1: 2, 2: 4}.get(most, most) for pattern, most in CAPS.items() if "batch" not in pattern}
PASSES = 12  # over loaders that fit into the time of a program: two batches each are gone through, however long they take
PROGRAM_CUTS = Bounds(batches=4, epochs=2, trials=1, loops=True, caps=tuple(PROGRAM_CAPS.items()))
CUTS = Bounds(batches=2, epochs=1, trials=1, loops=True)


@dataclass
class Running:
    """What both stages need.

    Args:
        verdict: filled in.
        facts: given what was seen.
        judge: lets the rules of a stage speak; what could not be run goes into the verdict.
        options: the caller's choices.
        to: the last stage that is wanted.
        progress: hears of what goes on.
    """

    verdict: Verdict
    facts: Facts
    judge: Callable[..., object]
    options: ExecutionOptions
    to: Stage
    progress: Progress
    trial_failed: bool = False
    needs_accelerator: bool = False
    rehearsed: Session | None = None

    def run(self) -> None:
        """Run the requested stages, the cheaper ones first.

        A stage is skipped if the one before it found something that blocks.

        Raises:
            UsageError: a pattern for runs that matches none.
        """
        contract: Contract = self.facts.get("contract")
        program = self.options.program
        if program is not None:
            self.facts.give("contract", _contract_of(contract, program.entry))
            self.verdict.runs = [program.label]
        runs = chosen(self.facts.get("runs"), self.options.runs) if program is None else [Run(program.label, None, "", None, False)]
        environment: Environment | None = None
        for stage in (stage for stage in Stage if stage.runs_code):
            if list(Stage).index(stage) > list(Stage).index(self.to):
                break
            reason = self._obstacle(runs, stage)
            if reason:
                self.verdict.stages.append(StageReport(name=stage, status="skipped", reason=reason))
                continue
            if environment is None:
                environment = self._environment(stage)
                if environment is None:
                    return
            if stage is Stage.CHALLENGE:
                self._challenge(runs, environment)
            else:
                self._stage(stage, runs, environment)

    def _obstacle(self, runs: Sequence[Run], stage: Stage) -> str:
        if not runs:
            return "there is no run"
        if stage is Stage.REHEARSAL and self.trial_failed and not self.options.keep_going:
            return "the trial failed (--keep-going)"
        if stage is Stage.CHALLENGE and self.rehearsed is None:
            return "there was no rehearsal"
        blocking = sum(finding.blocks for finding in self.verdict.findings)
        if blocking and not self.options.keep_going:
            return f"{blocking} finding{'s' if blocking > 1 else ''} of the stages before block{'' if blocking > 1 else 's'} (--keep-going)"
        return ""

    def _environment(self, stage: Stage) -> Environment | None:
        """The experiment's environment; None where there is none, which the verdict then says."""
        started = time.monotonic()
        experiment: Experiment = self.facts.get("experiment")
        self.progress("environment", "", "start", "")
        try:
            found = of_experiment(experiment, self.options, lambda line: self.progress("environment", "", "line", line))
        except StageError as error:
            self._failed(stage, f"the environment could not be made: {error}", started)
            return None
        self.facts.give("environment", found)
        self.progress("environment", "", "end", "")
        if isinstance(found, Refusal):
            self._report(stage, started, "failed", f"the environment can't be made: {found.kind}")
            before = len(self.verdict.findings)
            self.judge(Stage.TRIAL, ("trial", "pretended", "session"))
            if len(self.verdict.findings) == before:
                self.verdict.undecided.append(f"the environment could not be made: {found}")
            return None
        self.verdict.notes += found.notes
        return found

    def _failed(self, stage: Stage, reason: str, started: float) -> None:
        self._report(stage, started, "failed", reason)
        self.verdict.undecided.append(f"{stage} could not run: {reason}")

    def _report(self, stage: Stage, started: float, status: str, reason: str = "", session: SessionSeen | None = None) -> None:
        seconds = round(time.monotonic() - started, 3)
        runs = timeline(session) if session else []
        held, standins = (session.held, session.standins()) if session else ({}, [])
        self.verdict.stages.append(
            StageReport(name=stage, status=status, reason=reason, seconds=seconds, runs=runs, held_in=held, stand_ins=standins)
        )

    def _stage(self, stage: Stage, runs: Sequence[Run], environment: Environment) -> None:
        started = time.monotonic()
        self.facts.give("environment", environment)
        try:
            session = self._trial(runs, environment) if stage is Stage.TRIAL else self._rehearse(runs, environment)
        except StageError as error:
            self._failed(stage, str(error), started)
            return
        self.facts.give("trial" if stage is Stage.TRIAL else "rehearsal", session)
        self.facts.give("session", session)
        if stage is Stage.REHEARSAL:
            self.facts.give("complete_rehearsal", self._set_evaluation_aside(session))
        if session.problem:
            self.verdict.undecided.append(f"{stage} came to no end: {session.problem}")
        self.verdict.undecided += [f"{stage}: {doubt}" for doubt in session.doubts]
        self._report(stage, started, "failed" if session.problem else "ran", session.problem, session)
        self.verdict.notes += [note for note in notes(session) if note not in self.verdict.notes]
        if self.options.program is not None:
            self._look_at_program(session, self.options.program, environment)
        undecided = len(self.verdict.undecided)
        self.judge(stage)
        self.verdict.undecided[undecided:undecided] = doubts(session, self.facts)
        self.verdict.undecided += self._unexplained(stage, session)
        if stage is Stage.REHEARSAL and (session.problem or not all(run.ok for run in every_run(session))):
            self.rehearsed = None  # there is nothing to compare with
        self.trial_failed = bool(session.problem) or not all(run.ok for run in session.runs.values())

    def _look_at_program(self, session: SessionSeen, program: ProgramCommand, environment: Environment) -> None:
        """Report what was observed of a program.

        From here on the modules are those that the program loaded, since a tree may have many programs.
        """
        run = next(iter(session.runs.values()), None)
        if run is None:
            return
        self.verdict.program = seen_of(session, run, program, str(environment.interpreter.python))
        loaded = {program.entry}
        for process in run.processes.values():
            loaded.update(process.own_files)
            loaded.update(path for chain in process.failures for raised in chain for path, *_ in raised.frames)
        own = [found for found in self.verdict.findings if found.stage.runs_code or found.location.path in loaded]
        elsewhere = len(self.verdict.findings) - len(own)
        if program.entry and elsewhere:
            self.verdict.findings = own
            number = "1 finding is" if elsewhere == 1 else f"{elsewhere} findings are"
            self.verdict.notes.append(f"{number} in files that it did not load: `gonogo check` has them.")
        modules = {path: module for path, module in self.facts.get("modules").items() if path in loaded}
        if modules:
            self.facts.give("modules", modules)

    def _challenge(self, runs: Sequence[Run], environment: Environment) -> None:
        started = time.monotonic()
        assert self.rehearsed is not None
        seen = challenge(self.rehearsed, self.facts.get("rehearsal"), lambda session: self._carry_out(session, runs, environment))
        self.facts.give("challenge", seen)
        self.facts.give("session", seen.sessions.get(Alteration.SEED, SessionSeen("seed")))  # runs whose configs have the same seeds
        self.verdict.challenge = report_of(seen)
        if not tried(seen):
            reasons = "; ".join(dict.fromkeys(seen.reasons.values())) or "no alteration could be done"
            self._failed(Stage.CHALLENGE, reasons, started)
            return
        self._report(Stage.CHALLENGE, started, "ran")
        self.judge(Stage.CHALLENGE)

    def _set_evaluation_aside(self, session: SessionSeen) -> bool:
        """Return whether all runs were rehearsed well.

        If not, an evaluation that fails is ignored where it might not fail with all of them.
        """
        whole = len(session.runs) == len(self.facts.get("runs")) and all(run.ok for run in session.runs.values()) and not session.problem
        evaluation = session.evaluation
        if not whole and evaluation is not None and not evaluation.ok and not causes.fails_for_any_runs(evaluation.failure()):
            last = " ".join(evaluation.last_lines(1).split())[-200:]
            if causes.refuses(evaluation.failure(), self.facts.get("modules")):
                session.notes.append(f"The evaluation refused some of the runs alone, which is not held against it: {last}")
            else:
                self.verdict.undecided.append(
                    f"the evaluation failed on some of the runs alone, which may be for want of the others: {last}"
                )
            session.evaluation = None
        return whole

    def _unexplained(self, stage: Stage, session: SessionSeen) -> list[str]:
        """Runs that failed although no rule found a fault and nothing excuses them: that is no GO."""
        found = [finding for finding in self.verdict.findings if finding.stage is stage and finding.blocks]
        said = "\n".join(self.verdict.undecided)
        failed = [run for run in every_run(session) if not run.ok]
        left = [run for run in failed if run.label not in said and not any(not each.runs or run.label in each.runs for each in found)]
        return [f"{stage}: {run.label} failed, and it was not found out why: {' '.join(run.last_lines(3).split())[-300:]}" for run in left]

    def _carry_out(self, session: Session, runs: Sequence[Run], environment: Environment) -> SessionSeen:
        name = Stage(session.name) if session.name in (Stage.TRIAL, Stage.REHEARSAL) else f"{Stage.CHALLENGE} ({session.name})"
        return carry_out(
            session,
            self.facts.get("experiment"),
            runs,
            self.facts.get("contract"),
            environment.interpreter,
            self.options,
            lambda run, what, text: self.progress(name, run, what, text),
        )

    def _trial(self, runs: Sequence[Run], environment: Environment) -> SessionSeen:
        """Run the trial, and some of it once more on a pretended accelerator."""
        contract: Contract = self.facts.get("contract")
        if self.options.program is not None:
            bounds = replace(PROGRAM_CUTS, seconds=max(1, int(self.options.run_timeout / PASSES)))
            stage = Session("trial", Command(module="", overrides=[]), bounds, program=self.options.program)
            stage = replace(stage, again=causes.may_be_for_bounds)
        else:
            bounds = Bounds(batches=contract.trial.max_batches + BEYOND, epochs=1 + BEYOND, trials=1, loops=True)
            stage = Session("trial", contract.commands["trial"], bounds, tracker=contract.tracking.in_trial, evaluate=False)
        seen = self._carry_out(stage, runs, environment)
        again = runs_for(seen, runs, self.facts.get("modules").values())
        self.needs_accelerator = any(not seen.runs[run.id].ok for run in again)
        pretended = SessionSeen("trial")
        if again:
            pretended = pretend(seen, stage, again, lambda session, some: self._carry_out(session, some, environment))
        self.facts.give("pretended", pretended)
        return seen

    def _rehearse(self, runs: Sequence[Run], environment: Environment) -> SessionSeen:
        """Run the rehearsal.

        A run that fails is run once more with its config as it is, since what only fails in a lowered config is no fault.
        """
        experiment: Experiment = self.facts.get("experiment")
        contract: Contract = self.facts.get("contract")
        own = experiment.plan.rehearsal.overrides if experiment.plan else []
        overrides = (*own, *self.options.overrides)
        first = Session("rehearsal", contract.commands["full"], replace(CUTS, caps=tuple(CAPS.items())), tracker=True, overrides=overrides)
        if self.needs_accelerator:
            first = replace(first, alter={ACCELERATOR: True})
        seen = self._carry_out(replace(first, again=causes.may_be_for_bounds), runs, environment)
        self.rehearsed = replace(first, as_they_are=tuple(seen.repeated))
        if seen.repeated:
            names = ", ".join(seen.repeated)
            seen.notes.append(f"Run twice, the second time with their config as it is, since with a lowered one something failed: {names}.")
        return seen


def _contract_of(contract: Contract, entry: str) -> Contract:
    """The contract of any program, with the file that is started."""
    command = Command(module=entry, overrides=[])
    return contract.model_copy(update={"commands": {"trial": command}, "training": TrainingRules(module=entry)})


def chosen(runs: Sequence[Run], patterns: Sequence[str]) -> list[Run]:
    """The runs that patterns name, in the runs' order; all for none.

    Raises:
        UsageError: a pattern that matches no run.
    """
    if not patterns:
        return list(runs)
    for pattern in patterns:
        if not any(_matches(run.id, pattern) for run in runs):
            raise UsageError(f"No run matches '{pattern}': there are {', '.join(run.id for run in runs) or 'none'}.")
    return [run for run in runs if any(_matches(run.id, pattern) for pattern in patterns)]


def _matches(run_id: str, pattern: str) -> bool:
    return run_id == pattern or fnmatch.fnmatchcase(run_id, pattern)


def notes(session: SessionSeen) -> list[str]:
    """What a reader must know of how a session was run."""
    found = list(session.notes)
    if session.containment:
        found.append(f"The experiment was run in a sandbox: {session.containment}.")
    standins = session.standins()
    if standins:
        found.append(f"It ran on stand-ins, so nothing is said of its numbers: {'; '.join(standins)}.")
    if session.forged:
        found.append(f"Lines on the probe's channel that were not the probe's: {session.forged}.")
    broken = {text for run in session.runs.values() for process in run.processes.values() for text in process.probe_failures}
    return found + [f"The probe could not watch everything: {text}." for text in sorted(broken)]


def doubts(session: SessionSeen, facts: Facts) -> list[str]:
    """Failures that may not be the experiment's, and runs that were not seen to their end."""
    modules = facts.get("modules")
    failed: dict[str, list[str]] = {}
    well: dict[str, list[str]] = {}
    paths = facts.get("experiment").files
    for run in every_run(session):
        if run.ok:
            if gap := evidence.gap(run, paths):
                well.setdefault(f"{UNSEEN}: {gap}", []).append(run.label)
            if run is not session.evaluation and (reason := causes.no_number(run)):
                well.setdefault(reason, []).append(run.label)
            continue
        chain = run.failure()
        reason = causes.excuse(chain, run, modules)
        if reason:
            said = _said(chain, reason) if chain and not run.late else ""
            failed.setdefault(f"{reason}{said}", []).append(run.label)
    stage = "trial" if session.stage == "trial" else "rehearsal"
    told = [f"{stage} of {', '.join(labels)} failed, but {reason}" for reason, labels in failed.items()]
    told += [f"{stage} of {', '.join(labels)} ended well, but {reason}" for reason, labels in well.items()]
    return told + no_numbers(session, facts)


def _said(chain: list[Raised], reason: str) -> str:
    """What was raised, and its line unless the reason has it."""
    place = next((raised.place for raised in chain if raised.place is not None), None)
    where = f"{place[0]}:{place[1]}" if place else ""
    return f" ({chain[0]}{f', at {where}' if where and where not in reason else ''})"
