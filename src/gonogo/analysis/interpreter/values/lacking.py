"""What is said where an option is read that is not there."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import Walk
from gonogo.analysis.interpreter.trace import NoOption


@dataclass(frozen=True)
class Words:
    """How a library's users speak of an option that is not there; `{name}` stands for it.

    Attributes:
        lacks: that there is none.
        define: what to do about it.
    """

    lacks: str
    define: str


def note_lacking(walk: Walk, name: str, at: ast.AST, known: tuple[str, ...], words: Words) -> None:
    """Note that an option is read that is not there."""
    state = walk.state
    if state.is_certain and not state.is_deferred:
        lacks, define = words.lacks.format(name=name), words.define.format(name=name)
        state.record(NoOption(state.site(at), name, known, lacks, define, conditional=not state.is_inevitable))
    state.may_have_failed()
