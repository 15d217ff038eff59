"""The GraphQL operations of an installed wandb client, taken out of its Python sources and its binary without running either."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate

BEGIN = re.compile(r"(?:\s|#.*\n)*(?:query|mutation)\s+(\w+)\s*[({]")
# The texts of the Go client lie in its binary one behind the other; where one ends, only its braces tell.
IN_BINARY = re.compile(rb"\n((?:query|mutation) \w+ ?[({])")
LONGEST = 30_000
FRAGMENT = re.compile(r"\s*fragment \w+ on \w+ ")


class Operation(NamedTuple):
    """One operation of a client.

    Attributes:
        name: As the client calls it.
        place: The source file that it is in, or `wandb-core`.
        texts: What its text may be; none where the client puts it together in a way that this module does not follow.
    """

    name: str
    place: str
    texts: list[str]


def operations(client: Path) -> list[Operation]:
    """All operations of a client, from its folder `site-packages/wandb`."""
    found = [
        operation
        for path in sorted(client.rglob("*.py"))
        if "vendor" not in path.parts
        for operation in _of_source(path.relative_to(client).as_posix(), path.read_text("utf-8"))
    ]
    return [*found, *(Operation(_name(text), "wandb-core", [text]) for text in _of_binary((client / "bin/wandb-core").read_bytes()))]


def faults(operation: Operation) -> list[str]:
    """What the tracker's schema says against an operation: against the best of the texts that it may have."""
    found = ([error.message for error in validate(_schema(), parse(text))] for text in operation.texts)
    return min(found, key=len, default=["its text is put together while the client runs, in a way that is not followed here"])


@cache
def _schema() -> GraphQLSchema:
    return build_schema(files("gonogo.tracker.api").joinpath("schema.graphql").read_text(), assume_valid_sdl=True)


def _of_source(place: str, source: str) -> Iterator[Operation]:
    if not re.search(r"\b(?:query|mutation)\s+\w+", source):
        return
    tree = ast.parse(source)
    texts = _Texts(tree)
    inner = {id(part) for node in ast.walk(tree) if (parts := texts.parts(node)) for part in parts}
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        begin = _begin(node)
        if begin is None or (match := BEGIN.match(begin)) is None:
            continue
        yield Operation(match[1], place, [text for text in texts.of(node) if _is_operation(text)])


class _Texts:
    """What the expressions of one source file may be as texts: constants, f-strings and `.format` over names that are such themselves."""

    def __init__(self, tree: ast.Module) -> None:
        self._values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._values.setdefault(node.targets[0].id, []).append(node.value)

    def parts(self, node: ast.AST) -> list[ast.AST]:
        """The expressions that only count as part of this one."""
        if isinstance(node, ast.JoinedStr):
            return [*node.values]
        if _is_format(node):
            assert isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            return [node.func.value]
        return []

    def of(self, node: ast.expr | ast.AST, depth: int = 0) -> list[str]:
        """The texts that an expression may be; none where that can't be told."""
        if depth > 5:
            return []
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.of(value, depth + 1)
            case ast.JoinedStr(values=values):
                return ["".join(parts) for parts in itertools.product(*(self.of(value, depth + 1) for value in values))]
            case ast.Name(id=name):
                return [text for value in self._values.get(name, []) for text in self.of(value, depth + 1)]
            case ast.IfExp(body=body, orelse=orelse):
                return [*self.of(body, depth + 1), *self.of(orelse, depth + 1)]
            case ast.Call(func=ast.Attribute(value=text), args=arguments, keywords=[]) if _is_format(node):
                choices = [self.of(part, depth + 1) for part in (text, *arguments)]
                return [head.format(*rest) for head, *rest in itertools.product(*choices)]
        return []


def _is_format(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def _begin(node: ast.AST) -> str | None:
    """The text with which an expression begins."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)))) if _is_format(node):
            return text
    return None


def _is_operation(text: str) -> bool:
    try:
        return any(isinstance(part, OperationDefinitionNode) for part in parse(text).definitions)
    except GraphQLError:
        return False


def _name(text: str) -> str:
    match = BEGIN.match(text)
    return match[1] if match else "?"


def _of_binary(content: bytes) -> list[str]:
    texts: dict[str, None] = {}
    for match in IN_BINARY.finditer(content):
        text = content[match.start(1) : match.start(1) + LONGEST].decode("latin-1")
        end = _end_of_block(text, 0)
        while FRAGMENT.match(text, end):
            end = _end_of_block(text, end)
        texts[text[:end]] = None
    return [text for text in texts if _is_operation(text)]


def _end_of_block(text: str, begin: int) -> int:
    """Where the braces close that open next, brackets of variables left aside."""
    depth = brackets = 0
    for place in range(begin, len(text)):
        letter = text[place]
        brackets += (letter == "(") - (letter == ")")
        if brackets:
            continue
        depth += (letter == "{") - (letter == "}")
        if letter == "}" and depth == 0:
            return place + 1
    return len(text)
