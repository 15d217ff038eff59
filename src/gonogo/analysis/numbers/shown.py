"""The numbers that a program prints or hands to a tracker, each with what the text before it calls it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Const, Formatted, Text, Value, text
from gonogo.analysis.python.names import only_value

SHOWS = ("print", "info", "debug", "warning", "write", "add_scalar", "log_metric", "log_scalar", "echo", "success", "log")
MOST = 400
_ENDS = re.compile(r"[,;|\n]")
_AROUND = " \t:=@([{-\u2192>%~$\u2248"


@dataclass(frozen=True, eq=False)
class Shown:
    """A number that is shown.

    Attributes:
        label: what stands before it: text up to the last comma, or the key.
        value: what is shown.
        at: the call that shows it.
        node: the expression; the one that a name was given, where it was given one only.
    """

    label: str
    value: Value
    at: Event
    node: ast.AST


def shown(program: Program) -> list[Shown]:
    """Every number that a program shows by a text with its name, as far as it can be seen."""
    found: list[Shown] = []
    for event in program.calls(*SHOWS):
        if isinstance(event.node, ast.Call):
            found += _of_call(event)
        if len(found) >= MOST:
            break
    return found[:MOST]


def _of_call(event: Event) -> Iterator[Shown]:
    before = ""
    written = event.node.args if isinstance(event.node, ast.Call) else []
    if len(written) != len(event.call.arguments) or any(isinstance(entry, ast.Starred) for entry in written):
        return
    for given, node in zip(event.call.arguments, written, strict=True):
        if isinstance(given, Text):
            yield from _of_text(event, given)
            before = ""
            continue
        said = text(given)
        if said is None and before:
            yield Shown(before, given, event, _written(event, node))
        before = _label(said) if said is not None else ""


def _of_text(event: Event, whole: Text) -> Iterator[Shown]:
    before = ""
    for part in whole.parts:
        if isinstance(part, Const) and isinstance(part.value, str):
            before = _label(part.value)
        elif isinstance(part, Formatted):
            if before:
                inner = part.node.value if isinstance(part.node, ast.FormattedValue) else part.node
                yield Shown(before, part.value, event, _written(event, inner))
            before = ""


def _label(said: str) -> str:
    return _ENDS.split(said[-200:])[-1].strip(_AROUND).replace("/", "_")


def _written(event: Event, node: ast.AST) -> ast.AST:
    if isinstance(node, ast.Name) and isinstance(given := only_value(event.module, node), ast.Call):
        return given
    return node
