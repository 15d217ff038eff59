"""IMP104."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.libraries.stars import gives_by_star, star_sources
from gonogo.analysis.python.lint import RUN_TIME_ERRORS, STAR, Complaint
from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.never_local import asked_in_vain
from gonogo.analysis.python.reachability import is_never_reached
from gonogo.analysis.python.scopes import FUNCTIONS, Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.python.unbound import read_unbound
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Defined by notebooks, profilers, gettext and checkers rather than by the language.
_INJECTED = {"get_ipython", "display", "reveal_type", "reveal_locals", "profile", "_", "__path__", "unicode", "xrange", "raw_input"}
FEWEST_OF_AN_OUTLINE = 3  # names that are nowhere
# Names that IPython's shell gives: inputs and outputs of cells.
_SHELL = re.compile(r"^(?:_+|_i+|_i?\d+|_dh|_ih|_oh|In|Out|exit|quit|ipython|sc|spark|sqlContext|dbutils)$")
# What the shell of pyspark, and those built on it, give besides.
_SPARK = frozenset({"sc", "spark", "sqlContext", "sqlc", "dbutils"})
# Files that other programs execute with names of theirs: harnesses in hidden folders, the settings of Jupyter and Sphinx.
_LOADED_BY_OTHERS = re.compile(r"(?:^|/)\.[^/]+/|(?:^|/)(?:jupyter|ipython)\w*_config\.py$|(?:^|/)docs?/(?:\w+/)*conf\.py$")
# A line of nothing but such a name is meant to end the program where it should never come by: `else: error`.
_MEANT = re.compile(r"error|fail|unreachable|not_?implemented|should_?not|abort|crash", re.IGNORECASE)
_ACTIONS = {
    "F821": "define or import it",
    "F822": "delete it from `__all__`",
    "F823": "assign it before it is read, or name the local one differently",
}


@rule(
    "IMP104",
    "undefined-name",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("undefined-name", "import", "crash"),
)
def undefined_name(
    lint: list[Complaint], modules: dict[str, Module], symbols: Symbols, contract: Contract, experiment: Experiment
) -> Iterator[Violation]:
    """A name that nothing defines, or another error that ruff is certain of.

    What it does:
        Asks ruff for undefined names (F821, F822), local variables read before assignment (F823) and those of its PLE rules that mean an
        exception at run time. Looks besides for names that are read before any path has bound them, also in comprehensions, and for
        those that `from x import *` does not give. What is never evaluated (postponed annotations) or never reached (behind a `return`,
        for Python 2), guarded or deleted in a loop is left out. A line of nothing but `error` under a condition is there to raise: a
        warning, as is `if "best" in locals()` in a function that never binds `best`: what stands under it never runs.
        So is a name in a cell that its notebook's author, who ran the cells around it, has never run: it may only show how something
        is written.

    Why it matters:
        The line raises `NameError` when it is reached, often only after training has finished.

    Instead:
        Define or import the name, or correct its spelling.
    """
    faults = _all_faults(lint, modules, symbols)
    if contract.scope is Scope.RUNS:
        yield from faults
        yield from _asked_in_vain(modules, symbols)
    else:
        yield from _asked_in_vain(modules, symbols)
        kept = (fault for fault in faults if not _LOADED_BY_OTHERS.search(fault.location.path))
        yield from _each_once(replace(fault, severity=Severity.WARNING) if _is_only_shown(fault, experiment) else fault for fault in kept)


def _is_only_shown(fault: Violation, experiment: Experiment) -> bool:
    """Whether a fault is in a cell of a notebook that was not run, between cells that were."""
    file, line = experiment.files.get(fault.location.path), fault.location.line
    notebook = file.notebook if file is not None else None
    own = notebook.cell_at(line) if notebook is not None and line is not None else None
    if notebook is None or own is None or own.executed is not None:
        return False
    ran = [cell.executed is not None for cell in notebook.cells if cell.source.strip()]
    place = [cell for cell in notebook.cells if cell.source.strip()].index(own)
    return any(ran[:place]) and any(ran[place + 1 :]) and sum(ran) > len(ran) / 2


def _all_faults(lint: list[Complaint], modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    seen: set[tuple[str, int | None]] = set()
    faults = [*_faults(lint, modules, symbols), *_unbound(modules, symbols), *_hidden(lint, modules, symbols)]
    outlines = _outlines(faults, modules)
    for fault in faults:
        if _is_bound_in_a_cell(fault, modules) or _definition_around(fault, modules) in outlines:
            continue
        if (fault.location.path, fault.location.line) not in seen or "unbound" not in fault.evidence:
            seen.add((fault.location.path, fault.location.line))
            yield fault


def _is_bound_in_a_cell(fault: Violation, modules: dict[str, Module]) -> bool:
    """Return whether a notebook's name is bound by another of its cells, or by IPython.

    NTB102 deals with the order in which cells run.
    """
    module = modules.get(fault.location.path)
    name = re.search(r"`(\w+)`", fault.message)
    if module is None or name is None or not module.path.endswith(".ipynb"):
        return False
    if not module.of(ast.Import, ast.ImportFrom):
        return True  # pieces of another notebook, which has the rest
    return name[1] in module.definitions or _SHELL.match(name[1]) is not None


def _outlines(faults: list[Violation], modules: dict[str, Module]) -> set[ast.AST]:
    """Return the definitions of notebooks that only show how something is written.

    Nothing uses them, and several of their names do not exist.
    """
    names: dict[ast.AST, set[str]] = {}
    for fault in faults:
        definition = _definition_around(fault, modules)
        if definition is not None:
            names.setdefault(definition, set()).add(fault.message)
    return {definition for definition, found in names.items() if len(found) >= FEWEST_OF_AN_OUTLINE}


def _definition_around(fault: Violation, modules: dict[str, Module]) -> ast.AST | None:
    """Return the top-level function or class of a notebook that a fault stands in.

    It is returned only where no other line names it.
    """
    module, line = modules.get(fault.location.path), fault.location.line
    if module is None or module.tree is None or line is None or not module.path.endswith(".ipynb"):
        return None
    for node in module.tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and node.lineno < line <= (node.end_lineno or 0):
            used = any(name.id == node.name and not node.lineno <= name.lineno <= (node.end_lineno or 0) for name in module.of(ast.Name))
            return None if used else node
    return None


def _unbound(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Names that are read before anything is bound to them on any path."""
    for module in modules.values():
        for node in read_unbound(module, symbols.scopes(module)):
            scope = symbols.scopes(module).function(node)
            if (isinstance(scope, ast.Module) and symbols.is_open(module)) or _is_guarded(module, node) or node.id in _INJECTED:
                continue
            if _is_place_to_fill(module, node):
                continue
            message = f"`{node.id}` is read before anything is bound to it"
            yield Violation(module.location(node), message, "bind it before, or read another name", evidence="unbound local name")


def _asked_in_vain(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Yield questions after local names that the function never binds.

    Each comes with where the file binds the name instead.
    """
    for module in modules.values():
        scopes = symbols.scopes(module)
        for node, name in asked_in_vain(module, scopes):
            if is_never_reached(module, node):
                continue
            bound = [entry for entry in module.of(ast.Name) if entry.id == name and isinstance(entry.ctx, ast.Store)]
            yield Violation(
                module.location(node),
                f"no line of this function binds `{name}`, so that it is never among its local names: what depends on it never runs",
                f"let the function that has `{name}` return it, or delete the branch",
                tuple(Related(location=module.location(entry), label="bound here, in another scope") for entry in bound[:1]),
                severity=Severity.WARNING,
            )


def _hidden(lint: list[Complaint], modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Names that only `from x import *` may give, where it is known that no such `x` has them."""
    for complaint in lint:
        module = modules.get(complaint.path)
        if complaint.code != STAR or module is None or module.tree is None:
            continue
        node = _node_at(module, complaint)
        if node is None or node.id in _INJECTED or _is_guarded(module, node) or _is_unevaluated(module, symbols.scopes(module), node):
            continue
        sources = star_sources(module)
        if all(gives_by_star(symbols, source, node.id) is False for source in sources):
            listed = " and ".join(f"`{source}`" for source in dict.fromkeys(sources))
            message = f"undefined name `{node.id}`: {listed} {'has' if len(set(sources)) == 1 else 'have'} none to give by `import *`"
            yield Violation(module.location(node), message, "define or import it", evidence=f"ruff {complaint.code}")


def _each_once(faults: Iterator[Violation]) -> Iterator[Violation]:
    """Yield one fault for a name in a file, wherever it stands there.

    Otherwise the report on a big project with old code would be unreadable.
    """
    found: dict[tuple[str, str, Severity | None], list[Violation]] = {}
    for fault in faults:
        found.setdefault((fault.location.path, fault.message, fault.severity), []).append(fault)
    for first, *others in found.values():
        related = tuple(Related(location=other.location, label="here too") for other in others)
        yield replace(first, related=(*first.related, *related))


def _faults(lint: list[Complaint], modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    for complaint in lint:
        module = modules.get(complaint.path)
        if module is None or module.tree is None or complaint.code not in RUN_TIME_ERRORS or complaint.is_syntax_error:
            continue
        node = _node_at(module, complaint)
        if node is not None and is_never_reached(module, node):
            continue
        if "target-version" in complaint.message:
            continue  # a builtin of newer Pythons
        if complaint.code in ("F821", "F823") and (node is None or _may_be_defined(module, node, symbols)):
            continue
        if complaint.code == "PLE0101" and _returns_call(module, complaint):
            continue
        place = Location(
            path=complaint.path, line=complaint.line, column=complaint.column, end_line=complaint.end_line, end_column=complaint.end_column
        )
        severity = Severity.WARNING if complaint.code in ("F822", "PLE0302") or _is_meant(module, node) else None
        message = complaint.message[:1].lower() + complaint.message[1:]
        action = _ACTIONS.get(complaint.code or "", "correct it: the line raises an exception")
        yield Violation(place, message, action, evidence=f"ruff {complaint.code}", severity=severity)


def _is_meant(module: Module, node: ast.Name | None) -> bool:
    """Whether an undefined name is there to raise: all that a line under a condition says is `error`."""
    line = module.parents.get(node) if node is not None else None
    under = module.parents.get(line) if isinstance(line, ast.Expr) else None
    return node is not None and isinstance(under, (ast.If, ast.match_case)) and _MEANT.search(node.id) is not None


def _node_at(module: Module, complaint: Complaint) -> ast.Name | None:
    """The name that a complaint speaks of; None in a text that is only read as code (a quoted annotation)."""
    names = module.once(_names_by_line, module.tree).get(complaint.line, {}) if module.tree is not None else {}
    return names.get(module.bytes_before(complaint.line, complaint.column - 1))


def _names_by_line(tree: ast.Module) -> dict[int, dict[int, ast.Name]]:
    """Every name by the line and the byte that it begins on."""
    found: dict[int, dict[int, ast.Name]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.setdefault(node.lineno, {}).setdefault(node.col_offset, node)
    return found


def _texts(tree: ast.Module) -> set[str]:
    """Every text in the code."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _may_be_defined(module: Module, node: ast.Name, symbols: Symbols) -> bool:
    scopes = symbols.scopes(module)
    if node.id in _INJECTED or symbols.is_open(module) or _is_unevaluated(module, scopes, node) or _is_place_to_fill(module, node):
        return True
    if module.tree is not None and node.id in module.once(_texts, module.tree):
        return True  # `if "name" in locals()`, `setattr(module, "name", …)`
    found = scopes.lookup(node.id, node)
    if node.id in _SPARK and found is None and any((entry.module or "").startswith("pyspark") for entry in module.of(ast.ImportFrom)):
        return True  # meant for the shell of pyspark
    if found is None:
        return _is_guarded(module, node)
    bindings = found[1]
    if any(isinstance(binding, ast.Name) and isinstance(binding.ctx, ast.Del) for binding in bindings):
        return True  # deleted on some paths: ruff does not follow them all
    loops = [parent for parent in _parents(module, node) if isinstance(parent, (ast.For, ast.While, ast.AsyncFor))]
    in_same_loop = any(loop in _parents(module, binding) for loop in loops for binding in bindings)
    return in_same_loop or _is_guarded(module, node)


def _is_place_to_fill(module: Module, node: ast.Name) -> bool:
    """Whether another program fills a text in here: `data = {data}` of a template."""
    holder = module.parents.get(node)
    statement = module.parents.get(holder) if isinstance(holder, ast.Set) and len(holder.elts) == 1 else None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == node.id for target in targets)


def _parents(module: Module, node: ast.AST) -> list[ast.AST]:
    """What encloses a node, up to its function."""
    found: list[ast.AST] = []
    parent = module.parents.get(node)
    while parent is not None and not isinstance(parent, (*FUNCTIONS, ast.Lambda)):
        found.append(parent)
        parent = module.parents.get(parent)
    return found


def _is_guarded(module: Module, node: ast.AST) -> bool:
    """Whether a handler for just this error stands around a node."""
    handlers = (handler for parent in _parents(module, node) if isinstance(parent, ast.Try) for handler in parent.handlers)
    caught = (qualified_name(entry) for handler in handlers if handler.type for entry in ast.walk(handler.type))
    return any(name in ("NameError", "UnboundLocalError") for name in caught)


def _is_unevaluated(module: Module, scopes: Scopes, node: ast.AST) -> bool:
    """Whether a node stands in an annotation that Python does not evaluate when the code runs."""
    postponed = any(entry.module == "__future__" and entry.names[0].name == "annotations" for entry in module.of(ast.ImportFrom))
    child, parent = node, module.parents.get(node)
    while parent is not None:
        if isinstance(parent, ast.AnnAssign) and child is parent.annotation:
            return postponed or isinstance(scopes.function(parent), FUNCTIONS)
        if (isinstance(parent, ast.arg) and child is parent.annotation) or (isinstance(parent, FUNCTIONS) and child is parent.returns):
            return postponed
        child, parent = parent, module.parents.get(parent)
    return False


def _returns_call(module: Module, complaint: Complaint) -> bool:
    """Whether a `return` in `__init__` returns what a call gives, which may be None."""
    return any(node.lineno == complaint.line and isinstance(node.value, (ast.Call, ast.Await)) for node in module.of(ast.Return))


_LOOP = "    for images, labels in loader:\n        optimizer.zero_grad()\n"
_HISTORY = '    history = pd.DataFrame(run["history"])\n'
_COLUMNS = '    for column in [name for name in history.columns if column.startswith("val")]:  # <- here\n        print(column)\n'
BAD = [
    Tree({"src/evaluate.py": Edit(_HISTORY, _HISTORY + _COLUMNS)}),
    Tree(
        {
            "src/model.py": (
                Edit("import torch\nfrom omega", "import torch\nfrom math import *\nfrom omega"),
                Edit("        hidden_units=model_cfg.hidden_units,", "        hidden_units=hidden_width,  # <- here"),
            )
        }
    ),
    Tree(
        {"src/train.py": Edit("    return total_loss / len(loader.dataset)\n", "    return best_loss / len(loader.dataset)  # <- here\n")}
    ),
    Tree(
        {
            "src/model.py": Edit(
                "    objective = training_cfg.objective\n",
                "    objective = training_cfg.objective % method\n    nn = nn.Module  # <- here\n",
            )
        }
    ),
    Tree({"src/model.py": Edit("    smoothing = training_cfg.label_smoothing\n", '    smoothing = "%d" % "0.1"  # <- here\n')}),
]
GOOD = [
    Tree(
        {
            "src/train.py": Edit(
                _LOOP, "    for images, labels in loader:\n        if total_loss:\n            del loss\n        optimizer.zero_grad()\n"
            )
        }
    ),
    Tree({"src/preprocess.py": Edit("labels: np.ndarray, dataset_cfg: DictConfig)", 'labels: "pd.Series", dataset_cfg: DictConfig)')}),
]
