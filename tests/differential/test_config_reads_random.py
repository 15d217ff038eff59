"""Config reads and writes of random programs: what gonogo says of them must not contradict what really happened."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from programs import FIRST, Program, programs
from reality import Seen, run

from gonogo.analysis.interpreter.trace import Trace
from gonogo.compose.client import Composer
from gonogo.engine.facts import Facts
from gonogo.engine.workspace import Workspace
from gonogo.model import contract as contracts
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.runs import collect_runs

SHARED = "defaults:\n  - _self_\n  - run: ???\ntrial_mode: false\nresults_dir: results\nwandb: {entity: e, project: p}\n"
COUNT = int(os.environ.get("GONOGO_PROGRAMS", "0"))


def interpreted(program: Program, composer: Composer) -> tuple[Trace, ast.Module]:
    """What the interpreter saw."""
    texts = {
        "src/main.py": program.source(),
        "config/config.yaml": SHARED,
        "config/run/a.yaml": yaml.safe_dump(program.config, sort_keys=False),
    }
    experiment = Experiment("random", {path: SourceFile(path, text) for path, text in texts.items()})
    contract = contracts.load("trial-mode")
    runs = collect_runs(experiment, contract)
    with Workspace(experiment, runs) as workspace:
        facts = Facts(experiment=experiment, contract=contract, composer=composer, workspace=workspace, runs=runs)
        trace = next(trace for trace in facts.get("traces") if trace.command == "full")
        tree = facts.get("modules")["src/main.py"].tree
    return trace, tree


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The unique values of a config with where they stand."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield item, path
    else:
        yield value, path


def contradictions(program: Program, seen: Seen, trace: Trace, tree: ast.Module) -> list[str]:
    """What the interpreter says and reality disproves."""
    found = []

    def line(node: ast.AST) -> int:
        return getattr(node, "lineno", 0)

    # A line of a function may have run well for an earlier call, and what is said of a later one never came to be.
    body = line(next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"))
    ran_well = {number for number in seen.ran - seen.raised if number > body or not seen.raised}
    for access in trace.accesses:
        if not access.guarded and not access.doubtful and line(access.site.node) in ran_well:
            found.append(f"line {line(access.site.node)}: {'.'.join(access.path)} is {access.status}, it says, and the line ran")
    for write in trace.struct_writes:
        if line(write.site.node) in ran_well:
            found.append(f"line {line(write.site.node)}: writing {'.'.join(write.path)} is refused, it says, and the line ran")
    for raised in trace.raised:
        if line(raised.site.node) in ran_well:
            found.append(f"line {line(raised.site.node)} raises, it says, and the line ran")
    for misuse in trace.misuses:
        if misuse.what != "isinstance" and line(misuse.site.node) in ran_well:
            found.append(f"line {line(misuse.site.node)}: {misuse.detail}, it says, and the line ran")
    if not trace.complete:
        return found
    statements = {id(node): node for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    walked = {line(statements[key]) for key in trace.executed if key in statements}
    definitions = {line(child) for node in tree.body for child in ast.walk(node) if isinstance(child, (ast.FunctionDef, ast.ClassDef))}
    for number in sorted(seen.ran):
        owner = [node for node in statements.values() if line(node) == number]
        if owner and number not in walked and number not in definitions and not all(isinstance(node, ast.AnnAssign) for node in owner):
            found.append(f"line {number} is never reached, it says, and it ran")
    places: dict[Any, list[tuple[str, ...]]] = {}
    for value, path in leaves({"run": program.config}):
        if (isinstance(value, int) and not isinstance(value, bool) and value >= FIRST) or (
            isinstance(value, str) and value.startswith("text-")
        ):
            places.setdefault(value, []).append(path)
    for value in seen.out:
        for path in places.get(value, []) if isinstance(value, (int, str)) and not isinstance(value, bool) else []:
            if not trace.is_used(path):
                found.append(f"{'.'.join(path)} is read by nothing, it says, and its value {value} was read")
    return found


def numbered(program: Program) -> str:
    """The text of a program's `main` with line numbers."""
    lines = list(enumerate(program.source().splitlines(), 1))
    first = next(number for number, text in lines if text.startswith("def main"))
    return "\n".join(f"{number:4} {text}" for number, text in lines if number >= first)


def repaired(program: Program) -> Iterator[tuple[Program, Seen]]:
    """A program, and the same without the statements that fail, until it comes to its end."""
    seen = run(program.source(), program.whole_config())
    yield program, seen
    if seen.ended:
        return
    while not seen.ended and seen.failed_at:
        shorter = program.without(seen.failed_at)
        if len(shorter.statements) == len(program.statements):
            return
        program, seen = shorter, run(shorter.source(), shorter.whole_config())
    yield program, seen


def examine(program: Program, composer: Composer) -> None:
    """Hold one program, as it is and repaired, against reality."""
    for version, seen in repaired(program):
        trace, tree = interpreted(version, composer)
        found = contradictions(version, seen, trace, tree)
        if found:
            shown = f"{version.config}\n{numbered(version)}\nraised: {sorted(seen.raised)}"
            pytest.fail("\n".join(found) + f"\n\n{shown}", pytrace=False)


@pytest.mark.slow
@given(programs())
@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
def test_nothing_is_said_that_reality_disproves(composer: Composer, program: Program) -> None:
    examine(program, composer)


@pytest.mark.slow
@pytest.mark.skipif(not COUNT, reason="a search for unknown defects: GONOGO_PROGRAMS=20000 tries so many programs")
@given(programs())
@settings(
    max_examples=COUNT or 1,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_nothing_is_said_that_reality_disproves_at_length(composer: Composer, program: Program) -> None:
    examine(program, composer)
