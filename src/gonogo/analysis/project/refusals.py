"""What a `raise` or an `assert` depends on: the settings it looks at, and the values it knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.trace import Read, Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, enclosing_function

MOST_STEPS = 4  # from a condition to the setting in it, through names, parameters and calls


def deciding_reads(site: Site, trace: Trace) -> list[Read]:
    """Return the settings that the conditions around a place look at, each path once.

    Names are followed to what they are assigned, parameters to what the function is called with.

    Args:
        site: of the `raise` or `assert`.
        trace: of the run that comes there.
    """
    reads: dict[int, list[Read]] = {}
    for read in trace.of(Read):
        if not read.is_section:
            reads.setdefault(id(read.site.node), []).append(read)
    modules = {id(read.site.module): read.site.module for read in trace.of(Read)}
    modules[id(site.module)] = site.module
    found: dict[tuple[str, ...], Read] = {}
    pending = [(site.module, test, 0) for test in conditions(site)]
    seen: set[int] = set()
    while pending:
        module, expression, steps = pending.pop()
        if id(expression) in seen:
            continue
        seen.add(id(expression))
        own = [read for node in ast.walk(expression) for read in reads.get(id(node), ())]
        found.update({read.path: read for read in own})
        if steps < MOST_STEPS and not own:
            pending += [(*origin, steps + 1) for origin in _origins(module, expression, list(modules.values()))]
    return list(found.values())


def conditions(site: Site) -> list[ast.expr]:
    """The conditions that led to a place within its function, and that of an `assert`."""
    node = site.node
    found = [node.test] if isinstance(node, ast.Assert) else []
    function = enclosing_function(site.module, node)
    for around in ancestors(site.module, node):
        if around is function:
            break
        if isinstance(around, ast.If):
            found.append(around.test)
    return found


def known_values(site: Site) -> list[str]:
    """The texts that the conditions around a place hold something against, in their order in the file."""
    texts = []
    for test in reversed(conditions(site)):
        for compared in (node for node in ast.walk(test) if isinstance(node, ast.Compare)):
            for side in (compared.left, *compared.comparators):
                entries = side.elts if isinstance(side, (ast.List, ast.Tuple, ast.Set)) else [side]
                texts += [entry.value for entry in entries if isinstance(entry, ast.Constant) and isinstance(entry.value, str)]
    return list(dict.fromkeys(texts))


def _origins(module: Module, expression: ast.expr, modules: list[Module]) -> Iterator[tuple[Module, ast.expr]]:
    """What the names of an expression were assigned, or what callers give for a parameter."""
    function = enclosing_function(module, expression)
    if function is None:
        return
    parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    for name in {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}:
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
                yield module, node.value
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name) and node.target.id == name:
                yield from [(module, node.value)] if node.value is not None else []
        if name in parameters:
            place = positional.index(name) if name in positional else None
            for other in modules:
                for call in other.of(ast.Call):
                    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
                    given = argument(call, place, name) if called == function.name else None
                    if given is not None:
                        yield other, given
