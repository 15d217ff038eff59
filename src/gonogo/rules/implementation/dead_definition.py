"""IMP107."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import TRANSPARENT
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule

Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
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
    words = {node: _words(module, *_lines(node)) for module, node in definitions}
    reached = {word for run in runs for word in re.findall(r"\w+", run.text)}
    for file in experiment.with_suffix(".yaml", ".yml", ".toml"):
        reached.update(re.findall(r"\w+", file.text or ""))
    for module in modules.values():
        statements = [node for node in (module.tree.body if module.tree else []) if node not in words]
        for start, end in {_lines(node) for node in statements}:  # many may stand on one line
            reached |= _words(module, start, end)
    for _, node in definitions:
        if _is_registered(node):
            reached |= words[node] | {node.name}
    alive = _reached_from(reached, words)
    for module, node in definitions:
        if node in alive or _is_registered(node):
            continue
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        yield Violation(at(module.path, node.lineno), f"nothing reaches the {kind} `{node.name}`", "call it where it belongs, or delete it")


def _reached_from(names: set[str], words: Mapping[Defined, set[str]]) -> set[Defined]:
    """The definitions that names lead to, directly or through other definitions."""
    by_name: dict[str, list[Defined]] = {}
    for node in words:
        by_name.setdefault(node.name, []).append(node)
    found: set[Defined] = set()
    pending, seen = list(names), set(names)
    while pending:
        for node in by_name.get(pending.pop(), ()):
            found.add(node)
            pending += words[node] - seen
            seen |= words[node]
    return found


def _definitions(module: Module) -> list[Defined]:
    return [node for node in (module.tree.body if module.tree else []) if isinstance(node, (*FUNCTIONS, ast.ClassDef))]


def _is_registered(node: Defined) -> bool:
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


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """The first and the last line of a statement, decorators included."""
    start = min([statement.lineno, *(entry.lineno for entry in getattr(statement, "decorator_list", []))])
    return start, statement.end_lineno or statement.lineno


def _words(module: Module, start: int, end: int) -> set[str]:
    """Return every word in some lines, including comments and texts.

    Anything that may name a definition counts as naming it.
    """
    return set(re.findall(r"\w+", "\n".join(module.lines[start - 1 : end])))


_LAST_LINES = "    return accuracy, nn.functional.cross_entropy(logits, labels).item()\n"
_CONFIDENCE = "def mean_confidence(logits):{}\n    return logits.softmax(1).amax(1).mean()\n"
BAD = Tree({"src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\n{_CONFIDENCE.format('  # <- here')}")})
GOOD = Tree(
    {
        "src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\n{_CONFIDENCE.format('')}"),
        "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscore: src.model.mean_confidence"),
    }
)
