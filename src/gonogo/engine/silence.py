"""What no rule could look at: the silence of rules means nothing there, and the verdict says so."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.survey import Survey
from gonogo.analysis.python.modules import Module
from gonogo.engine.judging import Judging
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Stage
from gonogo.model.runs import Run
from gonogo.model.verdict import Verdict

MOST_RULES = 6


def unanswered(verdict: Verdict, judging: Judging) -> None:
    """Say what was not looked at: undecided, or as a note where a finding blocks anyway.

    Args:
        verdict: its findings are final; filled in.
        judging: what was looked at.
    """
    assert judging.facts is not None
    blocked = {finding.location.path for finding in verdict.findings if finding.blocks}
    verdict.undecided += [reason for path, reason in _unread(judging.facts.get("modules")) if path not in blocked]
    if not judging.facts.get("modules"):
        verdict.undecided.append("there is no Python file to look at")
    looked = {stage.name for stage in verdict.stages if stage.status == "ran"}
    composing = [rule.id for rule in judging.rules if rule.stage is Stage.COMPOSE]
    if Stage.COMPOSE not in looked or not composing:
        return
    contract: Contract = judging.facts.get("contract")
    if contract.scope is Scope.PROGRAM:
        return
    if contract.scope is Scope.HYDRA:
        survey: Survey = judging.facts.get("survey")
        verdict.runs = [run.id for run in survey.runs]
        verdict.notes += survey.notes
        verdict.undecided += survey.undecided
        return
    reasons = [*_uncomposed(judging.facts.get("runs"), judging.facts.get("traces"))]
    asking = [rule.id for rule in judging.rules if "traces" in rule.facts]
    reasons += _unfinished(judging.facts.get("traces"), asking)
    (verdict.notes if blocked else verdict.undecided).extend(reasons)


def _unread(modules: dict[str, Module]) -> Iterator[tuple[str, str]]:
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


def _unfinished(traces: list[Trace], rules: list[str]) -> Iterator[str]:
    """Runs that were not followed to their end, by reason."""
    found: dict[str, dict[str, None]] = {}
    for trace in traces:
        if not trace.complete and any(process.compositions for process in trace.processes):
            found.setdefault(trace.reason, {})[trace.run_id] = None
    shown = ", ".join(rules[:MOST_RULES]) + (f" and {len(rules) - MOST_RULES} more" if len(rules) > MOST_RULES else "")
    for reason, runs in found.items():
        yield f"{shown} were silent on {', '.join(runs)}, which could not be followed to the end: {reason}"
