"""Checks of claims against the facts.

They tell whether the quote is there, and whether the claim about it is confirmed, refuted or open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composition
from gonogo.documents.lines import split_lines
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Finding
from gonogo.model.verdict import StageReport
from gonogo.report import plain
from gonogo.reviewer.claims import Claim

NEAR = 4  # lines that a quote may be off
SHORTEST = 4  # letters, digits and signs of a quote: less stands everywhere


class Standing(StrEnum):
    """What the facts say of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    OPEN = "open"
    UNQUOTED = "unquoted"


@dataclass(frozen=True)
class Verified:
    """A claim, what became of it, the fact that settles it, and where its quote really stands."""

    claim: Claim
    standing: Standing
    fact: str = ""
    line: int = 0
    votes: int = 1


@dataclass(frozen=True)
class Known:
    """The facts that claims are held against.

    Attributes:
        rules: the ids of the rules whose findings confirm a claim, by the claim's kind.
    """

    experiment: Experiment
    contract: Contract
    modules: dict[str, Module]
    traces: list[Trace]
    pyproject: Pyproject | None
    findings: tuple[Finding, ...]
    stages: tuple[StageReport, ...]
    rules: Mapping[str, tuple[str, ...]]

    def compositions(self) -> Iterator[tuple[str, Composition]]:
        """What Hydra made of every run."""
        for trace in self.traces:
            for process in trace.processes:
                for _, composition in process.compositions:
                    yield trace.run_id, composition

    def ran_well(self) -> str:
        """The dearest stage in which every run ended well; empty if there is none."""
        good = [stage.name for stage in self.stages if stage.runs and all(run.status == "ok" for run in stage.runs)]
        return good[-1] if good else ""


def verify(claim: Claim, known: Known) -> Verified:
    """Settle one claim as far as the facts go."""
    line = quoted_at(claim, known.experiment)
    if line is None:
        return Verified(claim, Standing.UNQUOTED, _where_instead(claim, known.experiment))
    found = _finding(claim, line, known)
    if found is not None:
        return Verified(claim, Standing.CONFIRMED, f"{found.rule} says so at {found.location}", line)
    check = _CHECKS.get(claim.kind)
    standing, fact = check(claim, known) if check is not None else (Standing.OPEN, "no check covers it")
    return Verified(claim, standing, fact, line)


def quoted_at(claim: Claim, experiment: Experiment) -> int | None:
    """The line where a claim's quote stands, near the line it names; None if it does not."""
    text = experiment.text(claim.path)
    wanted = [_squeezed(part) for part in claim.quote.splitlines() if _squeezed(part)]
    if text is None or not wanted or sum(map(len, wanted)) < SHORTEST:
        return None
    lines = [_squeezed(plain.line(line)) for line in split_lines(text)]  # as the reviewer was shown them
    for line in sorted(range(1, len(lines) + 1), key=lambda number: (abs(number - claim.line), number)):
        if abs(line - claim.line) > NEAR:
            return None
        there = [each for each in lines[line - 1 : line - 1 + 3 * len(wanted)] if each]
        if len(there) >= len(wanted) and all(part in each for part, each in zip(wanted, there, strict=False)):
            return line
    return None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _where_instead(claim: Claim, experiment: Experiment) -> str:
    text = experiment.text(claim.path)
    if text is None:
        return f"there is no {claim.path}"
    lines = split_lines(text)
    places = [number for number, line in enumerate(lines, 1) if _squeezed(claim.quote) and _squeezed(claim.quote) in _squeezed(line)]
    if places:
        return f"the quote stands at line {places[0]}, not near line {claim.line}"
    return f"{claim.path} has no such line"


def _finding(claim: Claim, line: int, known: Known) -> Finding | None:
    """The finding that says the same: of a rule for this kind, near this place or about this subject."""
    rules = known.rules.get(claim.kind, ())
    for finding in known.findings:
        if not finding.rule.startswith(rules or ("-",)):
            continue
        places = [finding.location, *(other.location for other in finding.related)]
        near = any(place.path == claim.path and place.line is not None and abs(place.line - line) <= NEAR for place in places)
        if near or (claim.subject and _is_named(claim.subject, finding.message)):
            return finding
    return None


def _is_named(subject: str, message: str) -> bool:
    named = re.findall(r"[`'\"]([^`'\"]+)[`'\"]", message)
    short = subject.strip("`'\" ")
    return any(short == each or each.endswith(f".{short}") or short.endswith(f".{each}") for each in named)


Settled = tuple[Standing, str]


def _syntax(claim: Claim, known: Known) -> Settled:
    module = known.modules.get(claim.path)
    if module is not None:
        return (Standing.REFUTED, "Python parses the file") if module.fault is None else (Standing.CONFIRMED, module.fault.message)
    if any(composition.ok for _, composition in known.compositions()) and claim.path.endswith((".yaml", ".yml")):
        return Standing.REFUTED, "the file parses: no rule found it broken"
    return Standing.OPEN, "not a file that was parsed"


def _name(claim: Claim, known: Known) -> Settled:
    module = known.modules.get(claim.path)
    if module is None or module.fault is not None:
        return Standing.OPEN, "the file was not parsed"
    return Standing.REFUTED, "ruff finds no undefined name there"


def _import(claim: Claim, known: Known) -> Settled:
    stage = known.ran_well()
    if stage:
        return Standing.REFUTED, f"the {stage} ran: every import on the way was made"
    if claim.subject.endswith("__init__") or "__init__" in f"{claim.what} {claim.subject}":
        return Standing.REFUTED, "a folder without `__init__.py` is a namespace package, which `python -m` starts"
    module = known.modules.get(claim.path)
    if module is None or module.fault is not None:
        return Standing.OPEN, "the file was not parsed"
    return Standing.REFUTED, "every import there is of the standard library, of a declared dependency, or of a module that is there"


def _file(claim: Claim, known: Known) -> Settled:
    subject = claim.subject.strip("`'\" ").removeprefix("./")
    if subject.endswith("__init__.py"):
        return Standing.REFUTED, "a folder without `__init__.py` is a namespace package, which `python -m` starts"
    if subject in known.experiment.files:
        return Standing.REFUTED, f"{subject} is there"
    if not subject:
        return Standing.OPEN, "it names no file"
    if subject in known.contract.files.required:
        return Standing.CONFIRMED, f"{subject} is not there"
    return Standing.OPEN, "the contract asks for no such file"


def _key(claim: Claim, known: Known) -> Settled:
    path = [part for part in re.split(r"[.\[\]'\"]+", claim.subject.strip("` ").removeprefix("cfg.").removeprefix("config.")) if part]
    if not path:
        return Standing.OPEN, "it names no key"
    configs = [composition.config for _, composition in known.compositions() if composition.config is not None]
    if not configs:
        return Standing.OPEN, "no run composes"
    there = [_has(config, path) for config in configs]
    speaks_of_absence = re.search(
        r"\b(miss|absent|not (?:in|exist|defined|found|there)|undefined|no such|AttributeError|KeyError|lacks?)", claim.what
    )
    if all(there) and speaks_of_absence:
        return Standing.REFUTED, f"`{'.'.join(path)}` is in the composed config of every run"
    if not any(there) and speaks_of_absence:
        return Standing.OPEN, f"`{'.'.join(path)}` is in no composed config, but no check saw the code read it there"
    return Standing.OPEN, "no check settles it"


def _has(config: Any, path: list[str]) -> bool:
    for part in path:
        if isinstance(config, dict) and part in config:
            config = config[part]
        else:
            return False
    return True


def _composition(_: Claim, known: Known) -> Settled:
    every = [composition for _, composition in known.compositions()]
    if every and all(composition.ok for composition in every):
        return Standing.REFUTED, "Hydra composes every run with exactly the documented overrides"
    return Standing.OPEN, "not every run composes"


def _signature(_: Claim, known: Known) -> Settled:
    stage = known.ran_well()
    if stage:
        return Standing.REFUTED, f"the {stage} ran through without such an error"
    return Standing.OPEN, "the check of signatures finds nothing there"


def _dependency(claim: Claim, known: Known) -> Settled:
    table = known.pyproject.project.get("dependencies") if known.pyproject is not None else None
    subject = re.split(r"[<>=!~\[ ;]", claim.subject.strip("`'\" "))[0].lower().replace("_", "-")
    declared = {re.split(r"[<>=!~\[ ;]", entry)[0].lower().replace("_", "-") for entry in table or [] if isinstance(entry, str)}
    if subject and subject in declared:
        return Standing.REFUTED, f"{subject} is declared in pyproject.toml"
    return Standing.OPEN, "no check settles it"


def _crash(claim: Claim, known: Known) -> Settled:
    stage = known.ran_well()
    if stage:
        return Standing.REFUTED, f"the {stage} of every run ended well"
    return Standing.OPEN, "it was not run"


def _trial(claim: Claim, known: Known) -> Settled:
    if any(stage.name == "trial" and stage.runs and all(run.status == "ok" for run in stage.runs) for stage in known.stages):
        return Standing.REFUTED, "the trial of every run ended well, within the contract's bounds"
    return Standing.OPEN, "it was not run"


_CHECKS: dict[str, Callable[[Claim, Known], Settled]] = {
    "syntax": _syntax,
    "undefined-name": _name,
    "import": _import,
    "missing-file": _file,
    "config-key": _key,
    "composition": _composition,
    "signature": _signature,
    "dependency": _dependency,
    "crash": _crash,
    "trial": _trial,
}


def together(samples: Iterable[Iterable[Verified]]) -> list[Verified]:
    """Merge the claims of several answers, with the number of answers that make each.

    Two claims are one if they have the same kind, the same file, and nearly the same line.
    """
    merged: list[Verified] = []
    for sample in samples:
        counted: set[int] = set()
        for one in sample:
            index = next((n for n, other in enumerate(merged) if n not in counted and _same(one, other)), None)
            if index is None:
                merged.append(one)
                counted.add(len(merged) - 1)
            else:
                other = merged[index]
                merged[index] = Verified(other.claim, other.standing, other.fact, other.line, other.votes + 1)
                counted.add(index)
    return merged


def _same(one: Verified, other: Verified) -> bool:
    first, second = one.claim, other.claim
    return first.kind == second.kind and first.path == second.path and abs((one.line or first.line) - (other.line or second.line)) <= NEAR
