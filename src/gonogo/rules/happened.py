"""Violations at events and values of a walk through a program."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Protocol

from gonogo.analysis.python.modules import Module
from gonogo.model.finding import Certainty, Location, Related, Severity
from gonogo.rules.base import Violation


class Placed(Protocol):
    """Anything that stands somewhere in the code: an event, a value."""

    module: Module
    node: ast.AST


def place(at: Placed) -> Location:
    """Where something stands; of a definition only its first line."""
    location = at.module.location(at.node)
    if isinstance(at.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return location.model_copy(update={"end_line": location.line, "end_column": None})
    return location


def violation(
    at: Placed,
    message: str,
    action: str,
    *,
    sure: bool = True,
    severity: Severity | None = None,
    related: Iterable[tuple[Placed, str]] = (),
    evidence: str = "",
) -> Violation:
    """A violation at an event or value.

    Args:
        at: where.
        message: what is wrong, one sentence.
        action: what to do, an imperative without a full stop.
        sure: it follows from the code alone; else only signs speak for it, and it does not block.
        severity: set only where it differs from the rule's own.
        related: other places, each with what is there.
        evidence: what was seen.
    """
    others = tuple(Related(location=place(other), label=label) for other, label in related)
    certainty = Certainty.DERIVED if sure else Certainty.LIKELY
    return Violation(place(at), message, action, related=others, evidence=evidence, severity=severity, certainty=certainty)
