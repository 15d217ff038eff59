"""What the code says about itself: comments, docstrings and the strings it shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.scopes import FUNCTIONS

_SHOWING = {
    "print", "debug", "info", "warning", "warn", "error", "critical", "exception", "log", "echo", "secho", "write", "set_title", "title",
    "suptitle",
}  # fmt: skip


@dataclass(frozen=True)
class Remark:
    """A piece of prose in a file. Line n of `text` stands on line `line + n` of the file."""

    path: str
    line: int
    text: str
    kind: str  # "comment", "docstring" or "shown"

    def line_at(self, offset: int) -> int:
        """The line of the file where a character of `text` stands."""
        return self.line + self.text.count("\n", 0, offset)


def module_remarks(module: Module, hint: re.Pattern[str]) -> Iterator[Remark]:
    """The remarks of a Python file; comment lines that follow each other make one remark.

    Comments are read only where `hint` matches in what might be one: telling a comment from a text takes a tokenizer, which is slow.
    """
    if hint.search("\n".join(line.partition("#")[2] for line in module.lines if "#" in line)):
        yield from _comments(module)
    for node in module.of(ast.Module, ast.ClassDef, *FUNCTIONS, ast.Call, ast.Raise):
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                prose = re.split(r">>>|```|::\s*$|^[ \t]*+(?:Examples?|Usage)\b", first.value.value, maxsplit=1, flags=re.MULTILINE)[0]
                yield Remark(module.path, first.lineno, prose, "docstring")
        elif isinstance(node, ast.Call) and qualified_name(node.func).rpartition(".")[2] in _SHOWING:
            yield from _texts(module, node)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _texts(module, node.exc)


def _comments(module: Module) -> Iterator[Remark]:
    first, lines = 0, list[str]()
    for place, text in module.comments:
        line = place.line or 1
        alone = not module.lines[line - 1][: (place.column or 1) - 1].strip() if line <= len(module.lines) else False
        if lines and (not alone or line != first + len(lines)):
            yield Remark(module.path, first, "\n".join(lines), "comment")
            lines = []
        first = first if lines else line
        lines.append(re.sub(r"^[#\s]+", "", text))
        if not alone:
            yield Remark(module.path, first, "\n".join(lines), "comment")
            lines = []
    if lines:
        yield Remark(module.path, first, "\n".join(lines), "comment")


def _texts(module: Module, call: ast.Call) -> Iterator[Remark]:
    for argument in call.args:
        for node in ast.walk(argument) if isinstance(argument, (ast.Constant, ast.JoinedStr, ast.BinOp)) else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield Remark(module.path, node.lineno, node.value, "shown")


def data_remarks(path: str, text: str) -> Iterator[Remark]:
    """The comments of a YAML or TOML file, one by one."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.search(r"(?:^|\s)#\s*(.*)$", line)
        if found and not re.search(r"[\"'][^\"']*#", line):
            yield Remark(path, number, found[1].rstrip("\r"), "comment")
