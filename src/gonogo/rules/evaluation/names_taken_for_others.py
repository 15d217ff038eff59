"""EVA132."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, functions, last_name, origin
from gonogo.analysis.python.scopes import Scopes
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

LISTING = frozenset({"listdir", "iterdir", "glob", "rglob", "iglob", "scandir", "walk", "runs"})
NAMES = re.compile(r"(?:^|_)(?:names|runs|files|folders|dirs|experiments)$", re.IGNORECASE)


@rule("EVA132", "names-taken-for-others", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def names_taken_for_others(modules: dict[str, Module], symbols: Symbols) -> Iterator[Violation]:
    """Runs are chosen by the beginning of their name, and one method's name is the beginning of another's.

    What it does:
        Looks at conditions on the name of a file or run: `re.match(method, name)`, `name.startswith(method)`. Speaks where `method` goes
        through names that are written down, one of which is the beginning of another, so that the runs of both are taken for the first.
        Silent where the method is followed by a separator (`f"{method}_s"`) that the other does not have at that place, where the names
        are a tree or dates (`C50`, `C50.1`), where the texts are not those of files or runs, and where the loop looks at more than the
        beginning: it goes on over some, tests again, or lets a later name win.

    Why it matters:
        `tent` is given the runs of `tent_v2` as well: means and tests mix two methods, and nothing shows it.

    Instead:
        Compare the whole name: `re.fullmatch(re.escape(method) + r"_s\\d+", name)`, or read the method from the run's config.
    """
    for module in modules.values():
        scopes = symbols.scopes(module)
        for call in module.of(ast.Call):
            asked = _asked(module, call)
            if asked is None or not _is_condition(module, call):
                continue
            name, after, taken = asked
            text = call.args[0] if isinstance(call.func, ast.Attribute) and call.func.attr == "startswith" else None
            text = call.func.value if text is not None and isinstance(call.func, ast.Attribute) else call.args[1]
            if not _is_of_run(module, scopes, text) or _looks_closer(module, call):
                continue
            for values, place in _values(module, scopes, name):
                pair = next(((one, other) for one in values for other in values if _is_taken(one, other, after)), None)
                if pair is not None and not taken:
                    yield Violation(
                        module.location(call),
                        f"the runs of `{pair[1]}` are taken for those of `{pair[0]}` too: the one name begins with the other",
                        "compare the whole name",
                        related=(Related(location=module.location(place), label="the names"),),
                    )
                    break


def _asked(module: Module, call: ast.Call) -> tuple[ast.Name, str, bool] | None:
    """The name that a text must begin with, and what must follow it."""
    if origin(module, call.func) == "re.match" and len(call.args) == 2:
        return _beginning(call.args[0])
    if isinstance(call.func, ast.Attribute) and call.func.attr == "startswith" and len(call.args) == 1:
        return _beginning(call.args[0])
    return None


def _is_taken(one: str, other: str, after: str) -> bool:
    """Whether one name begins with another and is not a part of it.

    `C50.1` is one of `C50`, and a day one of its month.
    """
    rest = other[len(one) :]
    return other != one and other.startswith(one + after) and not rest.startswith((".", "/", ":")) and not one.replace("-", "").isdigit()


def _is_of_run(module: Module, scopes: Scopes, text: ast.expr) -> bool:
    """Whether a text is the name of a file or run.

    It is `path.name`, or one of what a folder lists, or of a list that is called so.
    """
    if isinstance(text, ast.Attribute):
        return text.attr in ("name", "stem", "display_name")
    found = scopes.lookup(text.id, text) if isinstance(text, ast.Name) else None
    for bound in found[1] if found is not None else ():
        turn = module.parents.get(bound)
        value = turn.iter if isinstance(turn, (ast.For, ast.comprehension)) else turn.value if isinstance(turn, ast.Assign) else None
        if value is None:
            continue
        words = {last_name(inner) for inner in ast.walk(value) if isinstance(inner, (ast.Name, ast.Attribute))}
        if words & LISTING or any(NAMES.search(word) for word in words):
            return True
    return False


def _looks_closer(module: Module, call: ast.Call) -> bool:
    """Whether a loop has more than the first name that fits.

    It goes on over some names, tests again those that fit, or keeps one answer for each, so that the last one wins.
    """
    branch = next((parent for parent in ancestors(module, call) if isinstance(parent, (ast.If, ast.comprehension))), None)
    if isinstance(branch, ast.comprehension):
        return len(branch.ifs) > 1
    if branch is None:
        return False
    loop = module.parents.get(branch)
    before = loop.body[: loop.body.index(branch)] if isinstance(loop, (ast.For, ast.While)) and branch in loop.body else []
    if any(isinstance(node, (ast.Continue, ast.Break)) for statement in before for node in ast.walk(statement)):
        return True
    inside = [node for statement in branch.body for node in ast.walk(statement)]
    return any(
        isinstance(node, (ast.If, ast.IfExp, ast.Match, ast.Continue))
        or (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.Call) and last_name(node.func) in ("remove", "discard", "pop", "removeprefix"))
        for node in inside
    )


def _beginning(node: ast.expr) -> tuple[ast.Name, str, bool] | None:
    if isinstance(node, ast.Call) and last_name(node.func) == "escape" and node.args:
        node = node.args[0]
    if isinstance(node, ast.Name):
        return node, "", False
    if isinstance(node, ast.JoinedStr) and len(node.values) == 2:
        one, other = node.values
        if isinstance(one, ast.FormattedValue) and isinstance(one.value, ast.Name) and isinstance(other, ast.Constant):
            return (one.value, str(other.value), False) if str(other.value).replace("_", "a").replace("-", "a").isalnum() else None
    return None


def _is_condition(module: Module, call: ast.Call) -> bool:
    """Whether a call is the whole test of an `if` or of a comprehension.

    Ways to take the longest name first end with the first that fits, and are left alone.
    """
    child: ast.AST = call
    for parent in ancestors(module, call):
        if isinstance(parent, ast.If):
            ends = any(isinstance(node, (ast.Return, ast.Break)) for node in parent.body)
            return parent.test is child and not ends and not parent.orelse
        if isinstance(parent, ast.comprehension):
            return child in parent.ifs
        if not isinstance(parent, (ast.BoolOp, ast.Compare)):
            return False
        if isinstance(parent, ast.BoolOp) and not isinstance(parent.op, ast.And):
            return False
        if isinstance(parent, ast.BoolOp) and len(parent.values) > 1:
            return False
        child = parent
    return False


def _values(module: Module, scopes: Scopes, name: ast.Name) -> Iterator[tuple[list[str], ast.AST]]:
    """The lists of texts that a name goes through.

    A name is that of a loop, or a parameter for which loops give their turns.
    """
    found = scopes.lookup(name.id, name)
    if found is None:
        return
    for bound in found[1]:
        if isinstance(bound, ast.arg):
            function = next((entry for entry in functions(module) if bound in [*entry.args.posonlyargs, *entry.args.args]), None)
            if function is None:
                continue
            place = [*function.args.posonlyargs, *function.args.args].index(bound)
            for call in module.of(ast.Call):
                given = call.args[place] if last_name(call.func) == function.name and len(call.args) > place else None
                if isinstance(given, ast.Name) and (turn := scopes.lookup(given.id, given)) is not None:
                    yield from (pair for entry in turn[1] if (pair := _listed(module, entry)) is not None)
        elif (pair := _listed(module, bound)) is not None:
            yield pair


def _listed(module: Module, bound: ast.AST) -> tuple[list[str], ast.AST] | None:
    """The texts that a loop's name goes through."""
    loop = module.parents.get(bound)
    if not isinstance(loop, (ast.For, ast.comprehension)) or loop.target is not bound:
        return None
    over: ast.expr = loop.iter
    if isinstance(over, ast.Name):
        assigned = module.assigned.get(over.id, [])
        if len(assigned) != 1:
            return None
        over = assigned[0]
    if not isinstance(over, (ast.List, ast.Tuple)):
        return None
    texts = [entry.value for entry in over.elts if isinstance(entry, ast.Constant) and isinstance(entry.value, str)]
    return (texts, over) if len(texts) == len(over.elts) else None


PROGRAM = """import json
import re
from pathlib import Path

METHODS = {methods}


def collect(method):
    found = []
    for folder in sorted(Path("runs").iterdir()):
        if {asks}:
            found.append(json.loads((folder / "result.json").read_text())["score"])
    return found


for method in METHODS:
    values = collect(method)
    print(method, sum(values) / len(values))
"""
HERE = "  # <- here"


def _program(asks: str, methods: str = '["tent", "tent_v2", "eata"]', marker: str = "") -> str:
    return PROGRAM.format(asks=asks, methods=methods).replace(f"if {asks}:", f"if {asks}:{marker}")


DIRECT = """import os

scores = {{}}
for method in ("bn", "bn_adapt"):
    scores[method] = [name for name in sorted(os.listdir("runs")) if {asks}]{marker}
print(scores)
"""
BAD = [
    program(_program("re.match(method, folder.name)", marker=HERE)),
    program(_program("folder.name.startswith(method)", marker=HERE)),
    program(_program('folder.name.startswith(f"{method}_")', marker=HERE)),
    program(DIRECT.format(asks="name.startswith(method)", marker=HERE)),
]
GOOD = [
    program(_program('re.fullmatch(re.escape(method) + "_s[0-9]+", folder.name)')),
    program(_program("folder.name.startswith(method)", '["tent", "eata"]')),
    program(_program('folder.name.startswith(f"{method}_seed")')),
    program(_program("folder.name.startswith(method) and not folder.name.startswith(method + '_v2')")),
    program(_program("folder.name.startswith(method)", '["2024", "2024-01"]')),
    program(_program("folder.name.startswith(method)", '["C50", "C50.1"]')),
    program(DIRECT.format(asks='name.split("-")[0] == method', marker="")),
]
