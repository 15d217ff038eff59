"""EVA134."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

MAKING = re.compile(
    r"mkdir|makedirs|ensure_dir|create_dir|make_dir|hydra|mkpath|mkdtemp|copytree|chdir|save_pretrained|snapshot_download|wandb\.init"
)
WRITES = {"torch.save": 1, "numpy.save": 0, "numpy.savez": 0, "numpy.savetxt": 0, "numpy.savez_compressed": 0, "joblib.dump": 1}
TABLES = {"to_csv": 0, "to_parquet": 0, "to_json": 0, "to_pickle": 0, "savefig": 0}


@rule("EVA134", "folder-never-made", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def folder_never_made(modules: dict[str, Module], experiment: Experiment) -> Iterator[Violation]:
    """A result is written into a folder that nothing makes.

    What it does:
        Looks at files that are written under a relative path that is written down, with a folder in it. Speaks where the experiment has no
        such folder, and no code of it makes any: no `mkdir`, no `makedirs`, no library that does it. Silent where any file of the
        experiment mentions that it makes folders, and where the folder is read from too.

    Why it matters:
        The program trains for hours and ends with `FileNotFoundError` at its last line; what was trained is gone.

    Instead:
        Make the folder at the start: `Path("results").mkdir(parents=True, exist_ok=True)`.
    """
    if any(MAKING.search(entry.text or "") for entry in experiment.files.values()):
        return
    folders = {path.rpartition("/")[0] for path in experiment.files}
    folders |= {parent for folder in folders for parent in _parents(folder)}
    for module in modules.values():
        read = _read(module)
        for call in module.of(ast.Call):
            path = _text(module, written(module, call))
            folder = path.rpartition("/")[0].removeprefix("./")
            if folder and not folder.startswith(("/", "~", "..")) and "://" not in path and folder not in folders and folder not in read:
                yield Violation(
                    module.location(call),
                    f"`{folder}` is not there, and nothing makes it: writing ends with `FileNotFoundError`",
                    "make the folder at the start, with `mkdir(parents=True, exist_ok=True)`",
                )
                return


def _text(module: Module, node: ast.expr | None, behind: frozenset[str] = frozenset()) -> str:
    """The text of a path, written down here or at the top.

    Examples: `OUT / "a.json"`, `f"{OUT}/a.json"`, `os.path.join(OUT, "a.json")`.

    Args:
        module: of the code.
        node: the expression, if there is one.
        behind: names that were already looked up; one that is made of itself (`root = Path(root)`) is not known.
    """
    if isinstance(node, ast.Name):
        values = module.assigned.get(node.id, [])
        behind, node = behind | {node.id}, values[0] if len(values) == 1 and node.id not in behind else None
    if isinstance(node, ast.Call) and origin(module, node.func) in ("pathlib.Path", "os.path.join") and not node.keywords:
        parts = [_text(module, entry, behind) for entry in node.args]
        return "/".join(parts) if parts and all(parts) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [_text(module, node.left, behind), text_of(node.right) or ("x" if isinstance(node.right, ast.JoinedStr) else "")]
        return "/".join(parts) if all(parts) else ""
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
        if isinstance(first, ast.FormattedValue):
            folder = _text(module, first.value, behind) if isinstance(first.value, ast.Name) else ""
            return f"{folder}/x" if folder and len(node.values) > 1 and str(getattr(node.values[1], "value", "")).startswith("/") else ""
        folder, slash, _ = str(getattr(first, "value", "")).rpartition("/")
        return f"{folder}/x" if slash else ""
    return text_of(node) or ""


def _parents(folder: str) -> Iterator[str]:
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _read(module: Module) -> set[str]:
    """The folders that files are read from."""
    found = set()
    for call in module.of(ast.Call):
        dotted = origin(module, call.func)
        function = call.func
        owner = [function.value] if isinstance(function, ast.Attribute) and function.attr not in ("write_text", "write_bytes") else []
        if dotted in ("pathlib.Path", "os.path.join"):
            continue
        for entry in [*call.args[:1], *owner]:
            path = _text(module, entry)
            if path and "/" in path and written(module, call) is None:
                found.add(path.rpartition("/")[0].removeprefix("./"))
                found.add(path.strip("/"))
    return found


def written(module: Module, call: ast.Call) -> ast.expr | None:
    """The path that a call writes to."""
    dotted = origin(module, call.func)
    if dotted == "open":
        mode = text_of(argument(call, 1, "mode"))
        return argument(call, 0, "file") if mode and mode[0] in "wax" else None
    if dotted in WRITES:
        return call.args[WRITES[dotted]] if len(call.args) > WRITES[dotted] else None
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in TABLES:
            return argument(call, TABLES[call.func.attr], "path_or_buf", "path", "fname")
        if call.func.attr in ("write_text", "write_bytes"):
            return call.func.value
    return None


PROGRAM = """import json
import os
from pathlib import Path

scores = [1, 2]
{before}
{write}
print(scores)
"""
HERE = "  # <- here"
WRITE = 'with open("results/scores.json", "w") as file:{marker}\n    json.dump(scores, file)'


def _program(write: str = WRITE.format(marker=""), before: str = "print(os.getcwd())") -> str:
    return PROGRAM.format(write=write, before=before)


BAD = [
    program(_program('OUT = Path("out/deep")\n(OUT / "a.json").write_text(json.dumps(scores))' + HERE)),
    program(_program('with open(f"results/{len(scores)}.json", "w") as file:' + HERE + "\n    json.dump(scores, file)")),
    program(_program(WRITE.format(marker=HERE))),
    program(_program(f'Path("out/deep/scores.json").write_text(json.dumps(scores)){HERE}')),
]
GOOD = [
    program(_program(before='os.makedirs("results", exist_ok=True)')),
    program(_program(before='Path("results").mkdir()')),
    program(_program(), **{"results/readme": ""}),
    program(_program('Path("scores.json").write_text(json.dumps(scores))')),
    program(_program(before='old = json.load(open("results/old.json"))')),
    program(
        _program('def save(root):\n    root = Path(root)\n    (root / "a.json").write_text(json.dumps(scores))\n\n\nsave(os.getcwd())')
    ),
    program(_program('here = f""\nhere = os.path.join(here, "a.json")\nopen(f"", "r") if here else None')),
]
