"""IMP107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import TRANSPARENT
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule

# With one of these in the code, a definition may be reached by a name that is made while it runs.
_DYNAMIC_NAMES = {"globals", "locals", "getmembers", "import_module", "__import__", "exec", "eval"}
_DYNAMIC_ATTRIBUTES = {"getmembers", "import_module", "__subclasses__", "__init_subclass__"}


@rule("IMP107", "dead-definition", criterion=1, severity=Severity.INFO, stage=Stage.CHECK)
def dead_definition(modules: dict[str, Module], experiment: Experiment, runs: list[Run]) -> Iterator[Violation]:
    """A function or class that nothing reaches.

    What it does:
        Starts from the code that runs on import and follows every name it mentions, in code, texts and YAML. A top-level function or
        class that is mentioned only by itself, or by others that nothing reaches, is reported; decorated ones count as registered.

    Why it matters:
        It is either left over, or a part of the method that was written and never connected.

    Instead:
        Call it where it belongs, or delete it.
    """
    definitions = [(module, node) for module in modules.values() for node in _definitions(module)]
    if any(module.tree is None or _is_dynamic(module) for module in modules.values()):
        return
    words = {node: _mentioned(module, node) for module, node in definitions}
    reached = {word for run in runs for word in re.findall(r"\w+", run.text)}
    for file in experiment.with_suffix(".yaml", ".yml", ".toml"):
        reached.update(re.findall(r"\w+", file.text or ""))
    for module in modules.values():
        own = {node for owner, node in definitions if owner is module}
        for statement in module.tree.body if module.tree else []:
            if statement not in own:
                reached |= _mentioned(module, statement)
    pending = [(module, node) for module, node in definitions if not _is_registered(node)]
    for _, node in definitions:
        if _is_registered(node):
            reached |= words[node] | {node.name}
    grown = True
    while grown:
        grown = False
        for module, node in list(pending):
            if node.name in reached:
                pending.remove((module, node))
                reached |= words[node]
                grown = True
    for module, node in pending:
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        yield Violation(at(module.path, node.lineno), f"nothing reaches the {kind} `{node.name}`", "call it where it belongs, or delete it")


def _definitions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    return [node for node in (module.tree.body if module.tree else []) if isinstance(node, (*FUNCTIONS, ast.ClassDef))]


def _is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    names = (qualified_name(entry.func if isinstance(entry, ast.Call) else entry).rpartition(".")[2] for entry in node.decorator_list)
    return node.name.startswith("__") or any(name not in TRANSPARENT | {"dataclass"} for name in names)


def _is_dynamic(module: Module) -> bool:
    if any(node.id in _DYNAMIC_NAMES for node in module.of(ast.Name)):
        return True
    if any(node.attr in _DYNAMIC_ATTRIBUTES or qualified_name(node) == "sys.modules" for node in module.of(ast.Attribute)):
        return True
    for node in module.of(ast.Call):
        if not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "vars" and not node.args:
            return True
        if node.func.id == "getattr" and len(node.args) > 1:
            target = node.args[0]
            is_import = isinstance(target, ast.Name) and isinstance(module.definitions.get(target.id), (ast.Import, ast.ImportFrom))
            if is_import and not isinstance(node.args[1], ast.Constant):
                return True
    return False


def _mentioned(module: Module, statement: ast.stmt) -> set[str]:
    """Every word in the lines of a statement, comments and texts too: whatever may name a definition counts as naming it."""
    start = min([statement.lineno, *(entry.lineno for entry in getattr(statement, "decorator_list", []))])
    return set(re.findall(r"\w+", "\n".join(module.lines[start - 1 : statement.end_lineno])))


_LAST_LINES = "    return accuracy, nn.functional.cross_entropy(logits, labels).item()\n"
_CONFIDENCE = "def mean_confidence(logits):{}\n    return logits.softmax(1).amax(1).mean()\n"
BAD = Tree({"src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\n{_CONFIDENCE.format('  # <- here')}")})
GOOD = Tree(
    {
        "src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\n{_CONFIDENCE.format('')}"),
        "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscore: src.model.mean_confidence"),
    }
)
