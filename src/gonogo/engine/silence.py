"""What no rule could look at: the silence of rules means nothing there, and the verdict says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.hydra_mains import config_folders
from gonogo.analysis.project.survey import Survey
from gonogo.analysis.python.modules import Module, ParseProblem
from gonogo.documents.toml import TomlError, parse_toml
from gonogo.documents.yaml import YamlError
from gonogo.engine.judging import MOST_FINDINGS, Judging
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.model.verdict import Verdict

MOST_RULES = 6
MOST_FILES = 20


def unanswered(verdict: Verdict, judging: Judging, may_block: Callable[[str, Severity], bool]) -> None:
    """Say what was not looked at: undecided, or as a note where a finding blocks anyway.

    Args:
        verdict: its findings are final; filled in.
        judging: what was looked at.
        may_block: whether a finding of a rule with a severity could block under the caller's policy.
    """
    assert judging.facts is not None
    blocked = {finding.location.path for finding in verdict.findings if finding.blocks}
    if not judging.is_cut_short:  # else that is said, and there is no time to read the rest
        (verdict.notes if blocked else verdict.undecided).extend(_beyond(judging))
    for rule, left_out in judging.left_out.items():
        said = f"{rule}: {left_out.total():,} findings beyond the first {MOST_FINDINGS:,} are not listed"
        could = any(may_block(rule, severity) for severity in left_out)
        (verdict.undecided if could and not blocked else verdict.notes).append(said)
    told = blocked | {place.location.path for finding in verdict.findings if finding.blocks for place in finding.related}
    verdict.undecided += [reason for path, reason in _unread(judging.facts.get("modules")) if path not in told]
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
        if module.fault is not None and not module.fault.is_limit:
            problem = f"can't be parsed by the Python that gonogo runs on ({module.fault.message}), so its code was not checked"
            yield module.path, f"{module.path} {problem}"


def _beyond(judging: Judging) -> Iterator[str]:
    """Files that are beyond what is looked at."""
    assert judging.facts is not None
    experiment, modules = judging.facts.get("experiment"), judging.facts.get("modules")
    contract: Contract = judging.facts.get("contract")
    faults: dict[str, ParseProblem | YamlError | TomlError | None] = {path: module.fault for path, module in modules.items()}
    folders = ("",) if contract.scope is Scope.RUNS else config_folders(modules)  # other tools' YAML is not looked at
    for path, file in experiment.files.items():
        if path.endswith((".yaml", ".yml")) and path.startswith(folders):
            faults[path] = experiment.yaml_fault(path)
        elif path.endswith(".toml"):
            faults[path] = parse_toml(file.text).error if file.text is not None else experiment.yaml_fault(path)
    reasons = {path: fault.message for path, fault in sorted(faults.items()) if fault is not None and fault.is_limit}
    for path, reason in list(reasons.items())[:MOST_FILES]:
        yield f"{path} was not looked at: {reason}"
    if len(reasons) > MOST_FILES:
        yield f"{len(reasons) - MOST_FILES} more files were not looked at for such reasons"


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
