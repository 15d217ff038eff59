"""How evaluation asks W&B for one run.

The id is given as the text before and after the run id that evaluation receives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls
from gonogo.analysis.python.sources.origins import Part
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.asked_keys import API, AskedKeys
from gonogo.analysis.tracking.evaluation_start import ASKS


@dataclass(frozen=True)
class Lookup:
    """A request for one run by `before`, its run id as evaluation is given it, `behind`."""

    call: ast.Call
    before: str
    behind: str

    def id_of(self, run_id: str) -> str:
        """The id that is asked for."""
        return f"{self.before}{run_id}{self.behind}"


def lookups(sources: Sources, module: Module) -> list[Lookup] | None:
    """Every request for one run; None if runs are, or may be, found in another way."""
    if any(node.attr in ("runs", "sweep") for node in module.of(ast.Attribute)):
        return None
    asked = AskedKeys(sources, module)
    found = []
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "run" and asked.kind(call.func.value) == API:
            lookup = _lookup(sources, module, call)
            if lookup is None:
                return None
            found.append(lookup)
    return found


def followed_lookups(trace: Trace | None, module: Module, run_ids: Iterable[str]) -> list[Lookup] | None:
    """Return the requests for one run that an evaluation was seen to make for all of its runs.

    None where other requests may be made.
    """
    ids = set(run_ids)
    if trace is None or any(node.attr in ("runs", "sweep") for node in module.of(ast.Attribute)):
        return None
    found: list[Lookup] = []
    for call in trace.calls:
        if call.name in ASKS:
            path, node = call.constant("path", 0), call.site.node
            last = path.rpartition("/")[2] if isinstance(path, str) else ""
            known = max((run_id for run_id in ids if run_id in last), key=len, default=None)
            if known is None or call.site.module is not module or not isinstance(node, ast.Call):
                return None
            before, _, behind = last.partition(known)
            found.append(Lookup(node, before, behind))
    return found or None


def _lookup(sources: Sources, module: Module, call: ast.Call) -> Lookup | None:
    """What stands around the run id in the last part of a run's path; None if that is not plain."""
    if len(call.args) != 1 or call.keywords:
        return None
    result = sources.follow(module, call.args[0])
    if not result.complete or len(result.sources) != 1 or result.sources[0].path:
        return None
    owner = result.sources[0].module
    last = _last_parts(list(_parts(result.sources[0].node)))
    ids = [part for part in last if not isinstance(part, str)]
    if len(ids) != 1 or not _is_given(sources, owner, ids[0]):
        return None
    place = last.index(ids[0])
    texts = [part if isinstance(part, str) else "" for part in last]
    return Lookup(call, "".join(texts[:place]), "".join(texts[place + 1 :]))


def _parts(node: ast.expr) -> Iterator[str | ast.expr]:
    """The pieces that a text is put together from: texts and expressions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _parts(part.value if isinstance(part, ast.FormattedValue) and part.format_spec is None else part)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _parts(node.left)
        yield from _parts(node.right)
    elif _joins_with_slashes(node):
        assert isinstance(node, ast.Call) and isinstance(node.args[0], (ast.List, ast.Tuple))
        for part in node.args[0].elts:
            yield "/"
            yield from _parts(part)
    else:
        yield node


def _joins_with_slashes(node: ast.expr) -> bool:
    """`"/".join([entity, project, run_id])`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "join"
        and isinstance(node.func.value, ast.Constant)
        and node.func.value.value == "/"
        and len(node.args) == 1
        and isinstance(node.args[0], (ast.List, ast.Tuple))
    )


def _last_parts(parts: list[str | ast.expr]) -> list[str | ast.expr]:
    """The pieces behind the last slash."""
    for index in range(len(parts) - 1, -1, -1):
        piece = parts[index]
        if isinstance(piece, str) and "/" in piece:
            rest = piece.rpartition("/")[2]
            return ([rest] if rest else []) + parts[index + 1 :]
    return parts


def _is_given(sources: Sources, module: Module, node: ast.expr) -> bool:
    """Whether an expression is one entry, as it stands, of a list that comes from outside."""
    result = sources.follow(module, node)
    return (
        result.complete
        and bool(result.sources)
        and all(source.path[-1:] == (Part.ENTRY,) and not isinstance(source.node, (ast.List, ast.Dict)) for source in result.sources)
    )
