"""Code that checks whether it is being observed.

It asks whether this program's probe is in the process, or its variables are in the environment.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import ancestors, enclosing_function, statement_of
from gonogo.analysis.python.spelled import spelled

#: What the probe is called in a process that is watched: its variables and its package.
OWN = re.compile(r"GONOGO_|\bgonogo_probe\b|^GONOGO", re.IGNORECASE)
_NAMES = "GONOGO_PROBE_KEY GONOGO_EVENTS GONOGO_LABEL GONOGO_RUN gonogo_probe"
# Where a process looks at itself.
ITSELF = re.compile(r"\bos\.environ\b|\benviron\b|\bgetenv\b|\bsys\.modules\b|\bsys\.path\b|\bfind_spec\b|\bsys\.meta_path\b")
_HASHES = re.compile(r"\bhashlib\b|\bhash\(|\bmd5\(|\bsha\d+\(|\bcrc32\(")
_SAYS = re.compile(r"^(?:print|warnings\.warn|logging\.\w+|\w*log(?:ger)?\.\w+|\w*Error|\w*Exception|.*\.add_argument)$")
FEWEST = 3
SPELLING = (ast.Constant, ast.BinOp, ast.JoinedStr, ast.Subscript, ast.Call)
_TRIAL_SERVER = re.compile(r"localhost|127\.0\.0\.1")


@dataclass(frozen=True)
class Asking:
    """A place that asks whether it is watched.

    Attributes:
        what: what it asks for.
        decides: a branch is taken by the answer.
    """

    module: Module
    node: ast.AST
    what: str
    decides: bool


def askings(module: Module) -> Iterator[Asking]:
    """Every place of a module that asks whether it is watched, one for each statement."""
    told: set[ast.AST] = set()
    for node, what in _mentions(module):
        statement = statement_of(module, node) or node
        if statement not in told:
            told.add(statement)
            yield Asking(module, node, what, _decides(module, node))


def _mentions(module: Module) -> Iterator[tuple[ast.AST, str]]:
    for imported in module.of(ast.Import, ast.ImportFrom):
        names = [imported.module or ""] if isinstance(imported, ast.ImportFrom) else [alias.name for alias in imported.names]
        if any(name.partition(".")[0] == "gonogo_probe" for name in names):
            yield imported, "gonogo_probe"
    if not ITSELF.search(module.text) and not OWN.search(module.text):
        return
    for node in module.of(*SPELLING):
        text = spelled(module, node)
        if text is not None and not _is_said(module, node) and _is_about_us(module, node, text):
            yield node, text
    for loop in module.of(ast.For, ast.comprehension):
        whole = module.parents.get(loop, loop) if isinstance(loop, ast.comprehension) else loop
        if ITSELF.search(ast.unparse(loop.iter)) and _HASHES.search(ast.unparse(whole)):
            yield loop.iter, "names of the environment, by their hash"


def _is_about_us(module: Module, node: ast.AST, text: str) -> bool:
    if OWN.search(text) and len(text) < 60:
        return True
    if len(text) < FEWEST or not text.isprintable() or " " in text:
        return False
    around = _around(module, node)
    if _TRIAL_SERVER.search(text):
        return "WANDB_BASE_URL" in around and _is_in_test(module, node)
    return text.lower() in _NAMES.lower() and text.lower() not in ("run", "key", "events", "label", "own") and _searches(module, node)


def _around(module: Module, node: ast.AST) -> str:
    statement = statement_of(module, node)
    return (
        ""
        if statement is None
        else ast.unparse(statement.test)
        if isinstance(statement, (ast.If, ast.While))
        else ast.unparse(statement)[:2000]
    )


def _searches(module: Module, node: ast.AST) -> bool:
    """Whether a piece of a name is looked for among all variables or modules of the process."""
    if not isinstance(node, ast.Constant):
        return False
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
            if any(ITSELF.search(ast.unparse(part.iter)) for part in parent.generators):
                return True
        elif isinstance(parent, ast.For) and ITSELF.search(ast.unparse(parent.iter)) and _is_in_test(module, node):
            return True
        elif isinstance(parent, ast.Compare) and any(ITSELF.search(ast.unparse(part)) for part in parent.comparators):
            return "str(" in ast.unparse(parent) or "join(" in ast.unparse(parent)
    return False


def _is_said(module: Module, node: ast.AST) -> bool:
    """Whether a text is only shown to people: a docstring, a message."""
    for parent in ancestors(module, node):
        if isinstance(parent, ast.Call) and _SAYS.match(qualified_name(parent.func) or "?"):
            return True
        if isinstance(parent, ast.Expr):
            return parent.value is node
        if isinstance(parent, ast.stmt):
            return False
    return False


def _is_in_test(module: Module, node: ast.AST) -> bool:
    inside = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.If, ast.IfExp, ast.While, ast.Assert)) and parent.test is inside:
            return True
        if isinstance(parent, ast.Match) and parent.subject is inside:
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return False
        inside = parent
    return False


def _decides(module: Module, node: ast.AST) -> bool:
    """Return whether a branch depends on the answer.

    It may do so at once, through a name that is bound to the answer, or through a function that returns it.
    """
    if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_in_test(module, node):
        return True
    if any(isinstance(parent, (ast.BoolOp, ast.Try)) for parent in ancestors(module, node)) and not isinstance(node, ast.Constant):
        return True
    names: set[str] = set()
    statement = statement_of(module, node)
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        names |= {name.attr for target in targets for name in ast.walk(target) if isinstance(name, ast.Attribute)}
    function: Function | None = enclosing_function(module, node)
    if function is not None and isinstance(statement, (ast.Return, ast.For)):
        names.add(function.name)
    tests = [entry.test for entry in module.of(ast.If, ast.IfExp, ast.While)]
    return any(names & _mentioned(test) for test in tests)


def _mentioned(test: ast.expr) -> set[str]:
    names = (entry for entry in ast.walk(test) if isinstance(entry, (ast.Name, ast.Attribute)))
    return {entry.id if isinstance(entry, ast.Name) else entry.attr for entry in names}
