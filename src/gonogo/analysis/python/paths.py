"""Paths as the code writes them: where a path expression points, told from the text of one module.

A path hangs on a root: the results folder of the command line, the tree of the module's file, the working directory, or that directory
as it was at some other moment (`get_original_cwd()`, `.resolve()` in a place that may run before a change of directory); `?` if unknown.
Parts that only running the code would tell are `*`. An expression may mean several paths: assignments and call sites are joined.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import argument, calls, enclosing_function, functions, has_open_keywords, last_name, origin, text_of

RESULTS, WORKING, SOME_TIME, TREE, UNKNOWN_ROOT = "results", "working", "some time", "tree", "?"
MAX_DEPTH = 12
MAX_PATHS = 8
MAX_BINDINGS = 50  # of one name: each may lead to all the others

SAME = frozenset({"expanduser", "as_posix", "strip", "rstrip", "lstrip", "encode", "__fspath__", "copy"})
FIXED = frozenset({"resolve", "absolute", "os.path.abspath", "os.path.realpath", "to_absolute_path"})
WRAPPERS = frozenset(
    {
        "str",
        "pathlib.Path",
        "pathlib.PurePath",
        "os.fspath",
        "os.path.expanduser",
        "os.path.normpath",
    }
    | {"sorted", "list", "tuple", "set", "tqdm", "tqdm.tqdm", "reversed", "cast", "typing.cast"}
)
JOINERS = frozenset({"os.path.join", "pathlib.Path", "pathlib.PurePath"})


@dataclass(frozen=True)
class WrittenPath:
    """One path: its root and the parts below."""

    root: str
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part."""
        return self.parts[-1] if self.parts else ""

    def below(self, text: str) -> WrittenPath:
        """This path with more parts; an absolute text starts anew."""
        if text.startswith(("/", "~")) and self.parts == () and self.root == WORKING:
            return NOWHERE
        parts = list(self.parts)
        for part in text.split("/"):
            if part == ".." and parts and parts[-1] not in ("..", "*"):
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return WrittenPath(self.root, tuple(parts))


NOWHERE = WrittenPath(UNKNOWN_ROOT, ("*",))
Paths = frozenset[WrittenPath]
UNKNOWN: Paths = frozenset({NOWHERE})
# What a name means within its own definition: what it meant before.
BEFORE = "before"
Key = tuple[int | str, str]  # the scope (0 for the module, "self" for an instance), the name


class PathReader:
    """Reads the path expressions of one module.

    Args:
        module: where the expressions stand.
        results_key: the name by which the code knows the folder of results, None if it has none.
    """

    def __init__(self, module: Module, results_key: str | None) -> None:
        self.module = module
        self.results_key = results_key
        self._open: set[Key] = set()
        self._names: dict[Key, Paths] = {}
        self._bindings: dict[Key, list[ast.expr | None]] | None = None

    def read(self, node: ast.expr | None, depth: int = 0) -> Paths:
        """Every path that an expression may mean."""
        if node is None or depth > MAX_DEPTH:
            return UNKNOWN
        reader: Callable[[ast.expr, int], Paths] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        found = reader(node, depth + 1) if reader else UNKNOWN
        return found if len(found) <= MAX_PATHS else UNKNOWN

    # -- expressions --------------------------------------------------------------------------------------------------

    def _constant(self, node: ast.expr, depth: int) -> Paths:
        text = text_of(node)
        return frozenset({WrittenPath(WORKING).below(text)}) if text is not None else UNKNOWN

    def _joinedstr(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.JoinedStr)
        text, start = "", WrittenPath(WORKING)
        for index, part in enumerate(node.values):
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            if index == 0:
                base = self.read(part.value, depth)
                if len(base) != 1:
                    return UNKNOWN
                start = next(iter(base))
            else:
                text += "*"
        if start.parts and not text.startswith("/") and text:
            return frozenset({WrittenPath(start.root, start.parts[:-1]).below(start.name + text)})
        return frozenset({start.below(text.lstrip("/") if start != WrittenPath(WORKING) else text)})

    def _binop(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.BinOp)
        left = self.read(node.left, depth)
        if isinstance(node.op, ast.Div):
            return self._joined(left, self._tails(node.right, depth))
        if isinstance(node.op, ast.Add) and (tail := text_of(node.right)) is not None:
            return frozenset(WrittenPath(path.root, path.parts[:-1]).below(path.name + tail) for path in left)
        return UNKNOWN

    def _ifexp(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.IfExp)
        return self.read(node.body, depth) | self.read(node.orelse, depth)

    def _boolop(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.BoolOp)
        return frozenset().union(*(self.read(value, depth) for value in node.values))

    def _list(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, (ast.List, ast.Tuple, ast.Set))
        return frozenset().union(*(self.read(entry, depth) for entry in node.elts)) if node.elts else UNKNOWN

    _tuple = _set = _list

    def _namedexpr(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.NamedExpr)
        return self.read(node.value, depth)

    def _subscript(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.Subscript)
        key = text_of(node.slice)
        if key is not None:
            return self._results() if key == self.results_key else UNKNOWN
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents" and isinstance(node.slice, ast.Constant):
            count = node.slice.value
            return _parents(self.read(node.value.value, depth), count + 1) if isinstance(count, int) and count >= 0 else UNKNOWN
        return UNKNOWN

    def _attribute(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.Attribute)
        if node.attr == "parent":
            return _parents(self.read(node.value, depth), 1)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            found = self._bound(("self", node.attr), depth)
            if found is not None:
                return found
        return self._results() if node.attr == self.results_key else UNKNOWN

    def _name(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.Name)
        if node.id == "__file__":
            return frozenset({WrittenPath(TREE, tuple(self.module.path.split("/")))})
        scope: Function | None = enclosing_function(self.module, node)
        while True:
            found = self._bound((id(scope) if scope else 0, node.id), depth)
            given = self._parameter(scope, node.id, depth) if scope is not None else None
            if found is not None or given is not None:
                found = _with_before(found or frozenset(), given or frozenset())
                if node.id == self.results_key and found & UNKNOWN:
                    return (found - UNKNOWN) | self._results()
                return found
            if scope is None:
                return self._results() if node.id == self.results_key else UNKNOWN
            scope = enclosing_function(self.module, scope)

    def _call(self, node: ast.expr, depth: int) -> Paths:
        assert isinstance(node, ast.Call)
        name = origin(self.module, node.func)
        if name in JOINERS and len(node.args) > 1:
            found = self.read(node.args[0], depth)
            for entry in node.args[1:]:
                found = self._joined(found, self._tails(entry, depth))
            return found
        if name in ("pathlib.Path.cwd", "os.getcwd") or name.endswith("get_original_cwd"):
            return frozenset({WrittenPath(SOME_TIME)})
        if name == "pathlib.Path" and not node.args:
            return frozenset({WrittenPath(WORKING)})
        if (name in FIXED or name.endswith("to_absolute_path")) and node.args:
            return _fixed(self.read(node.args[0], depth))
        if name in WRAPPERS and node.args:
            return self.read(node.args[-1 if name.endswith("cast") else 0], depth)
        return self._method(node, depth)

    def _method(self, node: ast.Call, depth: int) -> Paths:
        if not isinstance(node.func, ast.Attribute):
            return self._returned(node, depth)
        method, owner = node.func.attr, node.func.value
        first = text_of(node.args[0]) if node.args else None
        if method in SAME:
            return self.read(owner, depth)
        if method in FIXED:
            return _fixed(self.read(owner, depth))
        if method in ("get", "pop", "setdefault") and first is not None:
            return self._results() if first == self.results_key else UNKNOWN
        if method == "joinpath" and node.args:
            found = self.read(owner, depth)
            for entry in node.args:
                found = self._joined(found, self._tails(entry, depth))
            return found
        if method in ("glob", "rglob", "iterdir"):
            return self._joined(self.read(owner, depth), {first or "*"})
        if method == "with_name" and node.args:
            return self._joined(_parents(self.read(owner, depth), 1), self._tails(node.args[0], depth))
        if method == "with_suffix":
            return _with_suffix(self.read(owner, depth), first)
        return self._returned(node, depth)

    # -- names --------------------------------------------------------------------------------------------------------

    def _results(self) -> Paths:
        return frozenset({WrittenPath(RESULTS)})

    def _tails(self, node: ast.expr, depth: int) -> set[str]:
        """What an expression may add below a path."""
        found = {"/".join(path.parts) for path in self.read(node, depth) if path.root == WORKING}
        return found or {"*"}

    @staticmethod
    def _joined(bases: Paths, tails: set[str]) -> Paths:
        return frozenset(base.below(tail) for base in bases for tail in tails)

    def _bound(self, key: Key, depth: int) -> Paths | None:
        """What is assigned to a name in its scope; None if nothing is."""
        if self._bindings is None:
            self._bindings = {}
            for place, value in self._assignments():
                self._bindings.setdefault(place, []).append(value)
        values = self._bindings.get(key)
        if values is None:
            return None
        if len(values) > MAX_BINDINGS:
            return UNKNOWN
        return self._guarded(key, lambda: frozenset().union(*(self.read(value, depth) for value in values)))

    def _guarded(self, key: Key, compute: Callable[[], Paths]) -> Paths:
        """Compute once, and break off where a name is defined by itself."""
        if key in self._names:
            return self._names[key]
        if key in self._open:
            return frozenset({WrittenPath(BEFORE)})
        self._open.add(key)
        try:
            found = compute() or UNKNOWN
        finally:
            self._open.discard(key)
        if not self._open:
            self._names[key] = found
        return found

    def _assignments(self) -> Iterator[tuple[Key, ast.expr | None]]:
        for node in self.module.of(ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.comprehension, ast.AugAssign, ast.withitem):
            targets: list[ast.expr]
            value: ast.expr | None
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                targets, value = [node.target], node.value
            elif isinstance(node, (ast.For, ast.comprehension)):
                targets, value = [node.target], node.iter
            elif isinstance(node, (ast.AugAssign, ast.withitem)):
                targets, value = [node.target if isinstance(node, ast.AugAssign) else node.optional_vars or ast.Name("_")], None
            else:
                continue
            for target in targets:
                yield from self._targets(target, value)

    def _targets(self, target: ast.expr, value: ast.expr | None) -> Iterator[tuple[Key, ast.expr | None]]:
        if isinstance(target, ast.Name):
            scope = enclosing_function(self.module, target)
            yield (id(scope) if scope else 0, target.id), value
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            yield ("self", target.attr), value
        elif isinstance(target, (ast.Tuple, ast.List)):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                values = list(value.elts)
            for entry, part in zip(target.elts, values, strict=True):
                yield from self._targets(entry, part)

    def _parameter(self, function: Function, name: str, depth: int) -> Paths | None:
        """What the module's own calls give for a parameter; None if the function has no such parameter."""
        spec = function.args
        positional = [*spec.posonlyargs, *spec.args]
        names = [entry.arg for entry in positional]
        if name not in names and all(entry.arg != name for entry in spec.kwonlyargs):
            return None
        index = names.index(name) if name in names else None
        if index is not None and names[0] in ("self", "cls"):
            index -= 1
        found: list[Paths] = []
        for call in calls(self.module):
            if last_name(call.func) == function.name:
                given = argument(call, index, name)
                found.append(UNKNOWN if given is None or has_open_keywords(call) else self._given(given, function, name, depth))
        return frozenset().union(*found) if found else UNKNOWN

    def _given(self, node: ast.expr, function: Function, name: str, depth: int) -> Paths:
        return self._guarded((id(function), f"({name}) {id(node)}"), lambda: self.read(node, depth))

    def _returned(self, node: ast.Call, depth: int) -> Paths:
        """What a function of this module returns: every `return` of it."""
        name = last_name(node.func)
        found = [function for function in functions(self.module) if function.name == name]
        if len(found) != 1 or depth > MAX_DEPTH // 2:
            return UNKNOWN
        values = [
            entry.value
            for entry in ast.walk(found[0])
            if isinstance(entry, ast.Return) and enclosing_function(self.module, entry) is found[0]
        ]
        return frozenset().union(*(self.read(value, depth) for value in values)) if values else UNKNOWN


def _with_before(assigned: Paths, given: Paths) -> Paths:
    """The paths of a name that is a parameter and assigned as well, `BEFORE` filled in."""
    own = frozenset(path for path in assigned if path.root != BEFORE)
    earlier = own | given or UNKNOWN
    again = frozenset(start.below("/".join(path.parts)) for path in assigned if path.root == BEFORE for start in earlier)
    return own | given | again


def _fixed(paths: Paths) -> Paths:
    """Relative paths made absolute, at a moment that is not known."""
    return frozenset(WrittenPath(SOME_TIME, path.parts) if path.root == WORKING else path for path in paths)


def _parents(paths: Paths, count: int) -> Paths:
    return frozenset(WrittenPath(path.root, path.parts[:-count]) if len(path.parts) >= count else NOWHERE for path in paths)


def _with_suffix(paths: Paths, suffix: str | None) -> Paths:
    return frozenset(
        WrittenPath(path.root, (*path.parts[:-1], path.name.rpartition(".")[0] + (suffix or ".*") if "." in path.name else f"{path.name}*"))
        for path in paths
    )
