"""When two expressions are written so that they stand for one value.

This is determined by what their names are bound to in a function.

The value graph has one node for every entry of a list, so that two entries of it look like one; here it counts what the code says.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence

from gonogo.analysis.dataflow.blocks import Called, Happening
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.numbers.same import FORM_METHODS, FORMS, STEADY
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import arguments_of, enclosing_function, origin

Form = tuple[object, ...]
MAX_DEPTH = 20
_FORM_NAMES = frozenset({name.rpartition(".")[2] for name in FORMS}) - words("concatenate cat stack")
_STEADY = frozenset({name.rpartition(".")[2] for name in STEADY})


def calls_around(happening: Happening) -> list[Called]:
    """The calls of the project's functions that something happens within, innermost first."""
    return [entry for entry in (happening, *happening.around()) if isinstance(entry, Called)]


def written_alike(module: Module, one: ast.expr, other: ast.expr, within: Sequence[Called] = ()) -> bool:
    """Whether two expressions of a function are written as one value.

    Args:
        module: where they stand.
        one: the first expression.
        other: the second.
        within: the calls that lead to the function, innermost first; none where its parameters stand for themselves.
    """
    first, second = form_of(module, one, within), form_of(module, other, within)
    return first is not None and second is not None and first[0] != "literal" and _alike(first, second)


def _alike(one: object, other: object) -> bool:
    """Return whether two forms are equal.

    Items of two lists also are if the lists are one list under two names, as in code that compares methods.
    """
    if not (isinstance(one, tuple) and isinstance(other, tuple)):
        return one == other
    if one[:1] == other[:1] == ("entry",):
        return one == other or (
            one[1] != other[1] and one[3] != other[3] and _alike(one[4], other[4]) and _are_sides(str(one[3]), str(other[3]))
        )
    return len(one) == len(other) and all(_alike(left, right) for left, right in zip(one, other, strict=True))


def _are_sides(one: str, other: str) -> bool:
    """Whether two texts name the two sides of a comparison."""
    return any(_PROPOSED.search(left) and _BASELINE.search(right) for left, right in ((one, other), (other, one)))


_PROPOSED = re.compile(r"propos|ours|(?<![a-z])our(?![a-z])|treat|candidate|new", re.IGNORECASE)
_BASELINE = re.compile(r"base|compar|control|reference|(?<![a-z])ref(?![a-z])|other|rival|old|vanilla", re.IGNORECASE)


def form_of(module: Module, node: ast.expr, within: Sequence[Called] = (), depth: int = 0) -> Form | None:
    """Return a form of an expression that is equal for expressions written as one value.

    None where that can't be determined.
    """
    if depth > MAX_DEPTH:
        return None
    reader = _READERS.get(type(node))
    return reader(module, node, within, depth + 1) if reader is not None else ("node", id(node))


def _name(module: Module, node: ast.Name, within: Sequence[Called], depth: int) -> Form | None:
    scope = enclosing_function(module, node)
    around = _comprehension_around(module, node)
    if around is not None:
        return _entry(module, node, around, _generators(around), within, depth)
    if scope is None:
        bound = module.assigned.get(node.id, [])
        return form_of(module, bound[0], (), depth) if len(bound) == 1 else ("name", module.name, node.id)
    parameters = [entry.arg for entry in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
    values = module.once(_bindings, scope).get(node.id, [])
    if node.id in parameters and not values:
        return _argument(scope, node.id, within, depth) or ("name", id(scope), node.id)
    if len(values) == 1 and values[0] is not None and _is_settled(module, values[0], scope):
        return form_of(module, values[0], within, depth)
    loops = [entry for entry in ast.walk(scope) if isinstance(entry, ast.For) and isinstance(entry.target, ast.Name)]
    loops = [entry for entry in loops if entry.target.id == node.id]  # type: ignore[attr-defined]
    if values == [None] and len(loops) == 1:
        return _entry(module, node, loops[0], [(loops[0].target, loops[0].iter)], within, depth)
    return ("name", id(scope), node.id)


def _entry(
    module: Module, node: ast.Name, around: ast.AST, generators: list[tuple[ast.expr, ast.expr]], within: Sequence[Called], depth: int
) -> Form:
    """An entry of something that a loop goes through: which loop, under which name, of what."""
    for target, source in generators:
        if isinstance(target, ast.Name) and target.id == node.id:
            return (
                "entry",
                (id(around), node.id),
                node.id,
                ast.unparse(source),
                form_of(module, source, within, depth) or ("node", id(source)),
            )
    return ("name", id(around), node.id)


def _generators(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    return [(part.target, part.iter) for part in getattr(node, "generators", ())]


def _argument(scope: ast.AST, name: str, within: Sequence[Called], depth: int) -> Form | None:
    """What a call gives for a parameter."""
    for place, called in enumerate(within):
        if called.definition is scope and isinstance(called.node, ast.Call) and isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [entry.arg for entry in (*scope.args.posonlyargs, *scope.args.args)]
            if called.receiver is not None and names:
                names = names[1:]
            given = dict(zip(names, called.node.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in called.node.keywords if keyword.arg}
            if any(isinstance(entry, ast.Starred) for entry in called.node.args) or name not in given:
                return None
            return form_of(called.module, given[name], within[place + 1 :], depth)
    return None


def _bindings(scope: ast.AST) -> dict[str, list[ast.expr | None]]:
    """Return what the names in a function are bound to.

    It is the expression of a plain assignment, and None for any other binding.
    """
    found: dict[str, list[ast.expr | None]] = {}
    plain: set[int] = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    plain.add(id(target))
                    found.setdefault(target.id, []).append(node.value)
                elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(node.value, (ast.Tuple, ast.List)):
                    for part, value in zip(target.elts, node.value.elts, strict=False):
                        if isinstance(part, ast.Name):
                            plain.add(id(part))
                            found.setdefault(part.id, []).append(value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            plain.add(id(node.target))
            found.setdefault(node.target.id, []).append(node.value)
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)) and id(node) not in plain:
            found.setdefault(node.id, []).append(None)
    return found


def _is_settled(module: Module, value: ast.expr, scope: ast.AST) -> bool:
    """Return whether the names in an expression are bound at most once.

    Then the value of the expression can't change through a later assignment.
    """
    bindings = module.once(_bindings, scope)
    own = {entry.arg for inner in ast.walk(value) if isinstance(inner, ast.Lambda) for entry in inner.args.args}
    own |= {node.id for node in ast.walk(value) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return all(len(bindings.get(node.id, [])) <= 1 for node in ast.walk(value) if isinstance(node, ast.Name) and node.id not in own)


def _comprehension_around(module: Module, node: ast.Name) -> ast.AST | None:
    """The comprehension whose target binds a name."""
    parent = module.parents.get(node)
    while parent is not None and not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            bound = {entry.id for part in parent.generators for entry in ast.walk(part.target) if isinstance(entry, ast.Name)}
            if node.id in bound:
                return parent
        parent = module.parents.get(parent)
    return None


def _attribute(module: Module, node: ast.Attribute, within: Sequence[Called], depth: int) -> Form | None:
    owner = form_of(module, node.value, within, depth)
    if owner is None:
        return None
    return owner if node.attr in ("values", "data") else ("attribute", owner, node.attr)


def _subscript(module: Module, node: ast.Subscript, within: Sequence[Called], depth: int) -> Form | None:
    owner, key = form_of(module, node.value, within, depth), form_of(module, node.slice, within, depth)
    return ("item", owner, key) if owner is not None and key is not None else None


def _constant(module: Module, node: ast.Constant, within: Sequence[Called], depth: int) -> Form:
    return ("literal", type(node.value).__name__, repr(node.value))


def _call(module: Module, node: ast.Call, within: Sequence[Called], depth: int) -> Form | None:
    name = origin(module, node.func)
    short = name.rpartition(".")[2] if name else node.func.attr if isinstance(node.func, ast.Attribute) else ""
    is_method = isinstance(node.func, ast.Attribute) and not name.startswith(("numpy.", "torch.", "pandas.", "copy.", "statistics."))
    if isinstance(node.func, ast.Attribute) and is_method and short in FORM_METHODS:
        return form_of(module, node.func.value, within, depth)
    if not is_method and short in _FORM_NAMES and len(node.args) == 1:
        return form_of(module, node.args[0], within, depth)
    if short not in _STEADY or any(isinstance(entry, ast.Starred) for entry in node.args):
        return ("node", id(node))
    given = arguments_of(node)
    forms = [ast.unparse(entry) if isinstance(entry, ast.Lambda) else form_of(module, entry, within, depth) for entry in given]
    owner = form_of(module, node.func.value, within, depth) if isinstance(node.func, ast.Attribute) and is_method else ("function", name)
    if owner is None or any(form is None for form in forms):
        return None
    return ("call", owner, short, tuple(forms), tuple(keyword.arg for keyword in node.keywords))


def _comprehension(
    module: Module, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, within: Sequence[Called], depth: int
) -> Form | None:
    if len(node.generators) != 1:
        return ("node", id(node))
    generator = node.generators[0]
    bound = sorted({entry.id for entry in ast.walk(generator.target) if isinstance(entry, ast.Name)})
    source = form_of(module, generator.iter, within, depth)
    if source is None:
        return None
    text = " if ".join(ast.unparse(part) for part in (generator.target, node.elt, *generator.ifs))
    for place, name in enumerate(bound):
        text = re.sub(rf"\b{re.escape(name)}\b", f"_{place}", text)
    if not generator.ifs and re.fullmatch(r"_0 if (?:(?:int|float|str)\()?_0\)?", text):
        return source
    return ("comprehension", source, text)


def _operation(module: Module, node: ast.BinOp, within: Sequence[Called], depth: int) -> Form | None:
    left, right = form_of(module, node.left, within, depth), form_of(module, node.right, within, depth)
    return ("operation", type(node.op).__name__, left, right) if left is not None and right is not None else None


_READERS: dict[type[ast.AST], Callable[..., Form | None]] = {
    ast.Name: _name, ast.Attribute: _attribute, ast.Subscript: _subscript, ast.Constant: _constant, ast.Call: _call, ast.BinOp: _operation,
    ast.ListComp: _comprehension, ast.GeneratorExp: _comprehension, ast.SetComp: _comprehension,
}  # fmt: skip
