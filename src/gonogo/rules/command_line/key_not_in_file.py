"""CLI104."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import PurePosixPath

from gonogo.analysis.interpreter.markers import FILE_ROOT, ROOT
from gonogo.analysis.interpreter.trace import Access, Status, Written
from gonogo.analysis.project.program_starts import ProgramStart
from gonogo.analysis.python.files import opens_to_write
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message
from gonogo.rules.hydra.unknown_config_key import READING, expression

WRITERS = frozenset({"dump", "safe_dump", "save", "write", "write_text", "to_json", "to_yaml", "copy", "copyfile", "savez"})


@rule("CLI104", "key-not-in-file", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def key_not_in_file(starts: list[ProgramStart], modules: dict[str, Module]) -> Iterator[Violation]:
    """The program reads a key that its file of settings does not have.

    What it does:
        Follows each program that reads YAML, JSON or TOML, with the words with which README, scripts and comments start it, to the file
        that it then loads, and holds each read against what the file says. Where no document starts a program that takes options, it is
        followed as it starts without any, and what is found is a warning. Silent where a default, `in`, `try` or a write stands before
        the read, where the program may write the file, and where words of the command or the file are not known.

    Why it matters:
        The program ends in a `KeyError`, often late: after the training, before anything is saved.

    Instead:
        Read the key that is there, or add it to the file.
    """
    written = {event.path.removeprefix(f"{ROOT}/") for start in starts for event in start.trace.of(Written)}
    yield from by_message(
        _violation(access, start)
        for start in starts
        for access in start.trace.accesses
        if _is_certain(access, start) and access.path[1] not in written and not _may_be_written(access.path[1], modules.values())
    )


def _is_certain(access: Access, start: ProgramStart) -> bool:
    if access.guarded or access.doubtful or access.deferred or access.kind not in READING or access.status is not Status.ABSENT:
        return False
    return access.path[0] == FILE_ROOT and access.path not in start.trace.written


def _violation(access: Access, start: ProgramStart) -> Violation:
    code, file, key = expression(access.site), access.path[1], access.path[-1]
    near = get_close_matches(key, access.siblings, n=1, cutoff=0.75)
    meant = f"; did you mean `{near[0]}`?" if near else ""
    shown = start.shown
    related = () if shown is None else (Related(location=Location(path=shown.path, line=shown.number), label="started so here"),)
    dotted = ".".join(access.path[2:])
    title = f"`{code}`" if dotted == key or code.endswith(dotted) else f"`{code}` (`{dotted}`)"
    return Violation(
        access.site.module.location(access.site.node),
        f"{title} is not in {file}{meant}",
        f"read `{near[0]}`" if near else f"add `{dotted}` to {file}, or don't read it",
        related,
        evidence=f"keys there: {', '.join(access.siblings)}" if access.siblings else "",
        severity=Severity.WARNING if start.is_assumed else None,
        certainty=Certainty.LIKELY if start.is_assumed else None,
    )


def _may_be_written(path: str, modules: Iterable[Module]) -> bool:
    """Return whether some module that writes files has the file's name in it.

    An option's default and a place where a file is read do not count.
    """
    name = PurePosixPath(path).name
    return any(name in module.text and _writes(module, name) for module in modules)


def _writes(module: Module, name: str) -> bool:
    if not any(last_name(call.func) in WRITERS for call in calls(module)):
        return False
    named = {id(node) for node in module.of(ast.Constant) if isinstance(node.value, str) and node.value.endswith(name)}
    for call in calls(module):
        is_read = last_name(call.func) == "open" and not opens_to_write(call, 1)
        if is_read or last_name(call.func) in ("add_argument", "load", "safe_load", "loads"):
            named -= {id(inner) for inner in ast.walk(call)}
    return bool(named)


_PROGRAM = """import argparse

import yaml

parser = argparse.ArgumentParser()
parser.add_argument("--config", default="configs/base.yaml")
args = parser.parse_args()
with open(args.config) as file:
    config = yaml.safe_load(file)
"""
_README = "    python train.py --config configs/small.yaml\n"
_FILES: dict[str, str | Edit | tuple[Edit, ...] | None] = {
    "configs/base.yaml": "model:\n  width: 64\n  depth: 2\n",
    "configs/small.yaml": "model:\n  width: 8\n",
    "README.md": _README,
}
_HERE = "  # <- here"
_JSON = f'import json\n\nsettings = json.load(open("settings.json"))\nprint(settings["rate"]){_HERE}\n'


def _of(line: str) -> Tree:
    return Tree(dict(_FILES, **{"train.py": _PROGRAM + line}), alone=True)


BAD = [_of(f'print(config["model"]["depth"]){_HERE}\n'), Tree({"train.py": _JSON, "settings.json": '{"lr": 0.1}'}, alone=True)]
GOOD = [
    _of('print(config["model"]["width"])\n'),
    _of('print(config["model"].get("depth", 1))\n'),
    _of('config["model"]["depth"] = 3\nprint(config["model"]["depth"])\n'),
    _of('if "depth" in config["model"]:\n    print(config["model"]["depth"])\n'),
]
