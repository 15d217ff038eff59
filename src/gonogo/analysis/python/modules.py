"""Python modules of the experiment as syntax trees, with what they define and import."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar, overload

from gonogo.documents.limits import LimitError, check_size, symbols
from gonogo.documents.lines import split_lines
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Fields of syntax nodes that never hold a node, whatever the kind of node; `ctx` holds one that says nothing.
_PLAIN_FIELDS = {"ctx", "id", "attr", "arg", "kind", "type_comment", "module", "level", "asname", "simple", "conversion", "rest"}
_FIELDS = {
    kind: tuple(name for name in kind._fields if name not in _PLAIN_FIELDS)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
MAX_ALL_SYMBOLS = 2_000_000  # words and signs of all modules together: a syntax tree takes some 400 bytes for each
_T = TypeVar("_T")
_A = TypeVar("_A", bound=ast.AST)
_B = TypeVar("_B", bound=ast.AST)
_C = TypeVar("_C", bound=ast.AST)


@dataclass(frozen=True)
class ParseProblem:
    """The parser's own words, and the 1-based place.

    Attributes:
        is_limit: the file may be good, but there is too much of it to look.
    """

    message: str
    line: int
    column: int
    is_limit: bool = False


class Module:
    """One Python file: its tree, its names, its comments.

    Attributes:
        path: relative to the experiment's root.
        name: the dotted name under which `python -m` or an import finds it from the root.
        tree: None where the running Python can't parse the file; then `fault` says why.

    Args:
        path: of the file.
        text: what is in it.
        unread: why it was not read; then `text` is empty.
    """

    def __init__(self, path: str, text: str, unread: ParseProblem | None = None) -> None:
        self.path = path
        self.text = text
        self.name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.is_package = path.endswith("/__init__.py")
        self.tree: ast.Module | None = None
        self.fault = unread
        self._answers: dict[tuple[Callable[..., Any], ast.AST], Any] = {}
        self._mentions: dict[re.Pattern[str], bool] = {}
        self._found: dict[tuple[type[ast.AST], ...], list[ast.AST]] = {}
        self._offsets: tuple[int, list[int]] = (0, [])
        if unread is None:
            self._parse()

    def _parse(self) -> None:
        try:
            check_size(self.text)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes and the like are the experiment's affair
                self.tree = ast.parse(self.text)
        except SyntaxError as error:
            self.fault = ParseProblem(error.msg, error.lineno or 1, error.offset or 1)
        except LimitError as error:
            self.fault = ParseProblem(error.message, error.line, error.column, is_limit=True)
        except (ValueError, RecursionError, MemoryError) as error:
            self.fault = ParseProblem(str(error) or "nested too deeply to be parsed", 1, 1)

    @cached_property
    def folder(self) -> str:
        """The dotted name of the folder that the file is in, empty for the root."""
        return self.path.rpartition("/")[0].replace("/", ".")

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; line n is `lines[n - 1]`."""
        return split_lines(self.text)

    @cached_property
    def _index(self) -> tuple[list[ast.AST], dict[ast.AST, ast.AST]]:
        """Return every node and its parent, computed in one pass.

        `ast.walk` and a second pass for the parents take three times as long.
        """
        nodes: list[ast.AST] = [self.tree] if self.tree else []
        parents: dict[ast.AST, ast.AST] = {}
        for node in nodes:  # grows as it goes: parents before children
            for child in children(node):
                nodes.append(child)
                parents[child] = node
        return nodes, parents

    @property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, parents before children, but for the markers of loading and storing."""
        return self._index[0]

    @property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The parent of each node."""
        return self._index[1]

    @cached_property
    def _places(self) -> dict[type[ast.AST], list[int]]:
        """Where in `nodes` each kind of node stands."""
        places: dict[type[ast.AST], list[int]] = {}
        for index, node in enumerate(self.nodes):
            places.setdefault(type(node), []).append(index)
        return places

    @overload
    def of(self, first: type[_A], /) -> Sequence[_A]: ...

    @overload
    def of(self, first: type[_A], second: type[_B], /) -> Sequence[_A | _B]: ...

    @overload
    def of(self, first: type[_A], second: type[_B], third: type[_C], /, *more: type[_C]) -> Sequence[_A | _B | _C]: ...

    def of(self, *kinds: type[ast.AST]) -> Sequence[Any]:
        """Return every node of some kinds in the order of `nodes`.

        Most rules look at one or two kinds, and need not go through all nodes.
        """
        found = self._found.get(kinds)
        if found is None:
            places = sorted(index for kind in kinds for index in self._places.get(kind, ()))
            found = self._found[kinds] = [self.nodes[index] for index in places]
        return found

    def once(self, ask: Callable[[_A], _T], node: _A) -> _T:
        """Return what a function finds in a node of the tree, computed once and cached.

        The tree never changes, so the answer holds however many runs pass through the node.
        """
        key = (ask, node)
        if key not in self._answers:
            self._answers[key] = ask(node)
        return self._answers[key]  # type: ignore[no-any-return]

    def mentions(self, pattern: re.Pattern[str]) -> bool:
        """Whether a pattern matches anywhere in the text, which is searched once."""
        if pattern not in self._mentions:
            self._mentions[pattern] = pattern.search(self.text) is not None
        return self._mentions[pattern]

    @cached_property
    def imports(self) -> dict[str, str]:
        """What each imported name stands for, imports within functions included: `optim` is `torch.optim`."""
        found: dict[str, str] = {}
        for node in self.of(ast.Import, ast.ImportFrom):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            else:
                source = self.resolve_import(node)
                found.update((alias.asname or alias.name, f"{source}.{alias.name}" if source else alias.name) for alias in node.names)
        return found

    @cached_property
    def generators(self) -> set[int]:
        """The functions that yield, by `id` of their node."""
        found = set()
        for node in self.of(ast.Yield, ast.YieldFrom):
            function: ast.AST | None = node
            while function is not None and not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                function = self.parents.get(function)
            found.add(id(function))
        return found

    @cached_property
    def definitions(self) -> dict[str, ast.AST]:
        """What the module's top level binds, by name: the last binding, also under `if` and `try`."""
        found: dict[str, ast.AST] = {}
        for node in _top_level(self.tree):
            for name in _bound_names(node):
                found[name] = node
        return found

    @cached_property
    def assigned(self) -> dict[str, list[ast.expr]]:
        """What `=` gives to each plain name, anywhere in the module."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.of(ast.Assign):
            for name in {target.id for target in node.targets if isinstance(target, ast.Name)}:
                found.setdefault(name, []).append(node.value)
        return found

    @cached_property
    def named(self) -> dict[str, list[ast.Name]]:
        """Every use and binding of each plain name, anywhere in the module."""
        found: dict[str, list[ast.Name]] = {}
        for node in self.of(ast.Name):
            found.setdefault(node.id, []).append(node)
        return found

    @cached_property
    def has_star_import(self) -> bool:
        """Whether `from x import *` may bind any name."""
        return any(alias.name == "*" for node in self.of(ast.ImportFrom) for alias in node.names)

    @cached_property
    def comments(self) -> list[tuple[Location, str]]:
        """Every comment with its place."""
        return comments_of(self.path, self.text)

    def location(self, node: ast.AST) -> Location:
        """Where a node stands, in characters (the tree counts bytes)."""
        line: int = getattr(node, "lineno", 1)
        end_line: int = getattr(node, "end_lineno", None) or line
        return Location(
            path=self.path,
            line=line,
            column=self._characters(line, getattr(node, "col_offset", 0)) + 1,
            end_line=end_line,
            end_column=self._characters(end_line, getattr(node, "end_col_offset", 0) or 0) + 1,
        )

    def _characters(self, line: int, offset: int) -> int:
        """How many characters of a line its first bytes are."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return offset if text.isascii() else bisect_left(self._byte_offsets(line), offset)

    def bytes_before(self, line: int, column: int) -> int:
        """How many bytes the first characters of a line are; the tree counts in bytes."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return column if text.isascii() else self._byte_offsets(line)[min(column, len(text))]

    def _byte_offsets(self, line: int) -> list[int]:
        """Return the byte offset of each character of a line, and of its end.

        The result is kept for the last line asked about, since that line may be long.
        """
        number, offsets = self._offsets
        if number != line:
            offsets = [0, *accumulate(len(character.encode("utf-8", "surrogatepass")) for character in self.lines[line - 1])]
            self._offsets = (line, offsets)
        return offsets

    def resolve_import(self, node: ast.ImportFrom) -> str:
        """The absolute dotted name of the module that `from … import` names."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + (1 if self.is_package else 0)]
        return ".".join([*base, node.module] if node.module else base)


def comments_of(path: str, text: str) -> list[tuple[Location, str]]:
    """Every comment of a Python file with its place."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                (line, column), (end_line, end_column) = token.start, token.end
                place = Location(path=path, line=line, column=column + 1, end_line=end_line, end_column=end_column + 1)
                found.append((place, token.string))
    except (tokenize.TokenError, SyntaxError):
        pass  # the comments before the fault are good; the fault itself is reported by IMP103
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """What `ast.iter_child_nodes` gives, in half the time and without the markers of loading and storing."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [child for child in value if isinstance(child, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def load_modules(experiment: Experiment) -> dict[str, Module]:
    """Parse every Python file and notebook of the experiment, by path.

    Files nearest to the root come first, until there is too much text.
    """
    modules, left = {}, MAX_ALL_SYMBOLS
    for path in sorted(experiment.files, key=lambda path: (path.count("/"), path)):
        file = experiment.files[path]
        if not path.endswith(".py") and file.notebook is None:
            continue
        unread = ParseProblem(f"the file {file.problem}", file.encoding_line, 1, file.is_limit) if file.problem is not None else None
        left -= symbols(file.text or "")
        if left < 0 and unread is None:
            unread = ParseProblem(f"the modules before it have {MAX_ALL_SYMBOLS:,} words and signs together", 1, 1, is_limit=True)
        modules[path] = Module(path, file.text or "", unread)
    return dict(sorted(modules.items()))


def qualified_name(node: ast.AST) -> str:
    """`a.b.c` for a chain of names and attributes, an empty text for anything else."""
    if type(node) is ast.Name:
        return node.id
    parts: list[str] = []
    while type(node) is ast.Attribute:
        parts.append(node.attr)
        node = node.value
    if type(node) is not ast.Name:
        return ""
    return ".".join([node.id, *reversed(parts)])


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a body after its docstring."""
    first = body[0] if body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if is_docstring else body


def _top_level(tree: ast.Module | None) -> Iterator[ast.AST]:
    """Yield the statements that run at import time, in order.

    They are looked for in `if`, `try`, `with` and loops, not in functions and classes.
    """
    pending: list[ast.AST] = list(tree.body) if tree else []
    while pending:
        node = pending.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            pending[:0] = [
                child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
            ]


def _bound_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name
    elif isinstance(node, ast.ExceptHandler):
        if node.name:
            yield node.name
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.expr, ast.withitem)):
                for name in ast.walk(child):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                        yield name.id
