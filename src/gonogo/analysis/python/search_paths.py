"""Where a file makes Python look for modules outside the project.

Such places are in what the file clones, and in folders that only its user has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import last_name
from gonogo.model.experiment import Experiment

# Lines of cells that bring other code along, or go where it is.
_BRINGS = re.compile(
    r"^[ \t]*(?:[!%][ \t]*)?(?:git[ \t]+clone|cd[ \t]+\S|pip3?[ \t]+install\b.*\bgit\+|unzip\b|gdown\b|tar[ \t]+\S)", re.MULTILINE
)
# Parts of expressions that only say where the file itself or the working directory is.
_HERE = frozenset(
    {
        "os", "sys", "path", "osp", "Path", "pathlib", "__file__", "str", "len", "dirname", "abspath", "realpath", "join", "getcwd", "cwd",
        "resolve", "parent", "parents", "absolute", "normpath", "pardir", "curdir", "sep", "split", "joinpath", "as_posix", "append",
        "insert", "extend", "addsitedir", "site", "PurePath",
    }
)  # fmt: skip
MAX_STEPS = 40


def searches_elsewhere(experiment: Experiment, module: Module) -> bool:
    """Whether a file adds a folder to Python's search that is not known to be the project's."""
    file = experiment.files.get(module.path)
    if file is not None and file.notebook is not None and any(_BRINGS.search(cell.source) for cell in file.notebook.cells):
        return True
    if "path" not in module.text and "addsitedir" not in module.text:
        return False
    own = {part for path in experiment.files for part in path.split("/")[:-1]} | {"", ".", "..", experiment.name}
    return any(not _is_within(module, added, own) for added in _added(module))


def _added(module: Module) -> Iterator[ast.expr]:
    """What is put into `sys.path`."""
    for call in module.of(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("append", "insert", "extend") and _is_path(call.func.value):
            yield from call.args[-1:]
        elif last_name(call.func) == "addsitedir":
            yield from call.args[:1]
    for node in module.of(ast.AugAssign, ast.Assign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_is_path(target.value if isinstance(target, ast.Subscript) else target) for target in targets):
            yield node.value


def _is_path(node: ast.expr) -> bool:
    return qualified_name(node) == "sys.path"


def _is_within(module: Module, node: ast.expr, own: set[str]) -> bool:
    """Return whether a path is built only from the project's own folders and the file's place.

    Names of the module are resolved.
    """
    pending, seen = [node], set[str]()
    for _ in range(MAX_STEPS):
        if not pending:
            return True
        for inner in ast.walk(pending.pop()):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                if not set(re.split(r"[/\\]+", inner.value)) <= own or inner.value.startswith("/"):
                    return False
            elif isinstance(inner, (ast.Name, ast.Attribute)) and last_name(inner) not in _HERE | seen:
                given = module.definitions.get(inner.id) if isinstance(inner, ast.Name) else None
                value = _value_of(module, given)
                if value is None:
                    return False
                seen.add(last_name(inner))
                pending.append(value)
    return False


def _value_of(module: Module, given: ast.AST | None) -> ast.expr | None:
    """What a name of the module is bound to by an assignment."""
    statement = given if isinstance(given, (ast.Assign, ast.AnnAssign)) else module.parents.get(given) if given is not None else None
    return statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
