"""How many small changes of the code do the fast tests notice?

    uv run --with cosmic-ray python -m benchmarks.mutants [--room engine] [--count 25] [--seed 1] [--output mutants.md]

Draws places in the code of a room at random, changes one at a time (a comparison, an operator, a number, `and` for `or`, `break` for
`continue` and so on, with the operators of Cosmic Ray) in a copy of the repository, and runs the room's fast tests on it. Prints a table of
what was noticed and each change that was not, for somebody to read: some change nothing that anybody could notice.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 4.0  # times what the tests take without a change, and some seconds
# By room: its files, and the fast tests that should notice a change in them, the likeliest first.
ROOMS = {
    "engine": (
        "engine/judging.py engine/running.py engine/pipeline.py engine/policy.py engine/silence.py engine/fixing.py",
        "test_running.py test_facts.py test_policy.py test_finding.py test_goodness.py test_plain.py test_config_uses.py test_fix.py "
        "test_static_limits.py test_plugins.py",
    ),
    "execution": (
        "execution/causes.py execution/evidence.py execution/observations.py execution/recorder.py execution/results.py "
        "execution/project_file.py execution/session_plan.py execution/challenge/numbers.py execution/challenge/matrix.py",
        "test_running.py execution/test_causes.py execution/test_recorder.py execution/test_challenge.py "
        "execution/test_challenge_rules.py execution/test_no_numbers.py execution/test_environment.py "
        "test_pyproject.py",
    ),
    "compose": (
        "compose/loader.py compose/client.py compose/section.py compose/command_line.py compose/project.py",
        "test_compose.py test_stored_schemas.py test_resolvers.py test_generic.py test_program_starts.py "
        "differential/test_compose_random.py",
    ),
    "values": (
        "analysis/interpreter/values",
        "interpreter/test_values.py interpreter test_guarded_keys.py test_type_tests.py test_asked_keys.py test_objectives.py "
        "test_evaluation_cli.py differential/test_config_reads_random.py",
    ),
}
_COPIED = ("src", "tests", "benchmarks", "experiments", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")


@dataclass(frozen=True)
class Mutant:
    """One change: the file, the line, the changed text of the whole file."""

    path: Path
    line: int
    operator: str
    text: str

    def difference(self) -> str:
        """The changed lines, as `diff -u` shows them without context."""
        old = (ROOT / self.path).read_text().splitlines()
        lines = list(difflib.unified_diff(old, self.text.splitlines(), lineterm="", n=0))[2:]
        return "\n".join(line for line in lines if not line.startswith("@@"))


def files_of(room: str) -> list[Path]:
    """The room's files, relative to the repository."""
    found: list[Path] = []
    for name in ROOMS[room][0].split():
        place = ROOT / "src/gonogo" / name
        found += sorted(place.glob("*.py")) if place.is_dir() else [place]
    return [path.relative_to(ROOT) for path in found]


def draw(room: str, count: int, seed: int) -> Iterator[Mutant]:
    """Changes at places that are drawn at random, each place at most once; those that only change an annotation are left out."""
    places: dict[tuple[Path, tuple[int, int]], list[tuple[str, int]]] = defaultdict(list)
    operators = {name: get_operator(name)() for name in operator_names() if not get_operator(name).arguments()}
    for path in files_of(room):
        nodes = list(ast_nodes(get_ast((ROOT / path).read_text())))
        for name, operator in operators.items():
            positions = (start for node in nodes for start, _ in operator.mutation_positions(node))
            for occurrence, start in enumerate(positions):
                places[path, start].append((name, occurrence))
    chooser, drawn = random.Random(seed), 0
    for path, start in chooser.sample(sorted(places), len(places)):
        name, occurrence = chooser.choice(places[path, start])
        old = (ROOT / path).read_text()
        new = mutate_code(old, operators[name], occurrence)
        if new is not None and _meaning(new) not in (None, _meaning(old)):
            yield Mutant(path, start[0], name.rpartition("/")[2], new)
            drawn += 1
        if drawn == count:
            return


def _meaning(text: str) -> str | None:
    """What a module does, without annotations, which nobody evaluates; None where it does not parse."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if hasattr(node, field):
                setattr(node, field, ast.Constant(0) if isinstance(node, ast.AnnAssign) else None)
    return ast.dump(tree)


def tested(copy: Path, room: str, seconds: float | None) -> str:
    """What the room's tests say of the copy: killed, survived or late."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [*command, *(f"tests/{name}" for name in ROOMS[room][1].split())],
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            return "survived" if process.wait(seconds) == 0 else "killed"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return "late"


def main() -> int:
    """Draw, test and print."""
    parser = argparse.ArgumentParser(description="How many small changes of the code do the fast tests notice?")
    parser.add_argument("--room", choices=ROOMS, action="append", help="which code (default: all of them)")
    parser.add_argument("--count", type=int, default=25, help="changes for each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="a Markdown file for the table and the changes that were not noticed")
    given = parser.parse_args()
    rows, survivors = [], []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "gonogo"
        for name in _COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", ".cache", "results")
            shutil.copytree(source, copy / name, ignore=ignored) if source.is_dir() else shutil.copy(source, copy / name)
        for room in given.room or ROOMS:
            started = time.monotonic()
            if tested(copy, room, None) != "survived":
                print(f"{room}: the tests fail without any change", file=sys.stderr)
                return 1
            seconds = PATIENCE * (time.monotonic() - started) + 20
            counts = {"killed": 0, "late": 0, "survived": 0}
            for mutant in draw(room, given.count, given.seed):
                (copy / mutant.path).write_text(mutant.text)
                said = tested(copy, room, seconds)
                shutil.copy(ROOT / mutant.path, copy / mutant.path)
                counts[said] += 1
                print(f"{room} {said}: {mutant.path}:{mutant.line} {mutant.operator}", file=sys.stderr, flush=True)
                if said == "survived":
                    survivors.append(f"`{mutant.path}:{mutant.line}`\n\n```diff\n{mutant.difference()}\n```\n")
                    print(mutant.difference(), file=sys.stderr, flush=True)
            total, noticed = sum(counts.values()), counts["killed"] + counts["late"]
            rows.append(f"| {room} | {total} | {counts['killed']} | {counts['late']} | {counts['survived']} | {noticed / total:.0%} |")
    header = "| room | changes | noticed | never ended | not noticed | score |\n|---|---|---|---|---|---|"
    table = "\n".join([header, *rows])
    print(table)
    if given.output:
        given.output.write_text(f"{table}\n\n" + "\n".join(survivors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
