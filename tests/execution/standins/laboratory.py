"""Cases that run in the sandbox, in an environment of real libraries, under the probe; and what was said of each.

A file of cases (`inside/*.py`) has functions without arguments. Each asserts what the code of an experiment relies on, and returns what the
probe must have said by then, as lines `kind source: part of the text`.
"""

from __future__ import annotations

import ast
import json
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.execution.environment import Environment, prepare
from gonogo.execution.interpreter_folders import Interpreter
from gonogo.execution.sandbox import Limits, Policy, Sandbox
from gonogo.execution.session_plan import PROBE

INSIDE = Path(__file__).parent / "inside"
LIBRARIES = (
    "torch",
    "torchvision",
    "datasets",
    "timm",
    "transformers",
    "evaluate",
    "scikit-learn",
    "sentence-transformers",
    "accelerate",
    "peft",
    "bitsandbytes",
    "nltk",
    "kagglehub",
)
ROBUSTNESS = ("torch", "torchvision", "robustbench", "setuptools<81")  # which wants an old timm
PROJECT = '[project]\nname = "experiment"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = {}\n'
ROWS = 64


@dataclass
class Case:
    """What became of a case: how it failed if it did, what it expects to have been said, and what was said."""

    error: str = "it did not run"
    expected: list[str] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """Stand-ins and what could not be reached, as cases state them."""
        texts = {"StandIn": ("stand-in", "what"), "Unreachable": ("unreachable", "name")}
        told = ((*texts[event["kind"]], event) for event in self.said if event["kind"] in texts)
        return [f"{kind} {event['source']}: {event[text]}" for kind, text, event in told]


def cases_of(name: str) -> list[str]:
    """The cases of a file, which is not imported here."""
    tree = ast.parse((INSIDE / f"{name}.py").read_text("utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def environment(dependencies: tuple[str, ...] = LIBRARIES) -> Interpreter:
    """The libraries that are stood in for, as released."""
    made = prepare({"pyproject.toml": PROJECT.format(json.dumps(dependencies))})
    assert isinstance(made, Environment), made
    return made.interpreter


def run(name: str, interpreter: Interpreter, folder: Path, shown: tuple[Path, ...] = (), **settings: Any) -> dict[str, Case]:
    """Run the cases of a file, one after the other in one process.

    Args:
        name: of the file.
        interpreter: the environment.
        folder: an empty one.
        shown: more folders that may be read.
        settings: of the probe, where they are not the usual ones.
    """
    tree = folder / "tree"
    tree.mkdir()
    for file in INSIDE.iterdir():
        if file.suffix == ".py":
            (tree / file.name).write_text(file.read_text("utf-8"), "utf-8")
    cases: dict[str, Case] = {case: Case() for case in cases_of(name)}
    events: list[dict[str, Any]] = []
    key = secrets.token_hex(8)
    read_only = tuple(path for path in (*interpreter.folders, PROBE, *shown) if not str(path).startswith("/usr"))
    policy = Policy(tree=tree, read_only=read_only, limits=Limits(seconds=300, memory=6 << 30))
    with Sandbox(policy) as box:
        work = Path(box.temporary)
        (work / "scratch").mkdir()
        usual = {"tree": f"{box.tree}/", "mode": "rehearsal", "bounds": {"rows": ROWS}, "caps": {}, "plugins": "", "standins": ["data"]}
        (work / "probe.json").write_text(json.dumps(usual | {"scratch": str(work / "scratch")} | settings), "utf-8")
        env = {"PYTHONPATH": str(PROBE), "GONOGO_PROBE": str(work / "probe.json"), "GONOGO_PROBE_KEY": key}
        command = [str(interpreter.python), "runner.py", name]
        result = box.run(command, env=env, on_event=lambda line: events.append(json.loads(line.partition(b" ")[2])))
    current = Case()
    for event in events:
        if event["kind"] == "CaseBegun":
            current = cases[event["case"]]
        elif event["kind"] == "CaseEnded":
            current.error, current.expected, current.seconds = event["error"], event["expected"], event["seconds"]
        else:
            current.said.append(event)
    if not any(not case.error for case in cases.values()):
        print(result.stdout.text[-3000:], result.stderr.text[-6000:], result.reason, file=sys.stderr)
    return cases


def check(case: Case) -> None:
    """A case passed, and what it expects was said."""
    assert not case.error, case.error
    assert not [event for event in case.said if event["kind"] == "ProbeFailed"], case.said
    missing = [line for line in case.expected if not any(_says(said, line) for said in case.lines())]
    assert not missing, f"not said: {missing}; said: {case.lines()}"


def _says(said: str, line: str) -> bool:
    """Whether an event is of the kind and source of a line, and has its text."""
    head, _, part = line.partition(": ")
    return said.startswith(f"{head}: ") and part in said
