"""Loops and comprehensions in the abstract walk.

Where the elements are written out they are taken one by one; otherwise one iteration stands for all.
"""

from __future__ import annotations

import ast

from gonogo.analysis.dataflow.blocks import Block, Branch, End, Loop
from gonogo.analysis.dataflow.containers import assign, element, entries
from gonogo.analysis.dataflow.core import EXPRESSIONS, Walker
from gonogo.analysis.dataflow.definitions import Turning
from gonogo.analysis.dataflow.expressions import child_frame, truth
from gonogo.analysis.dataflow.values import Display, Mapping, Repeated, Turn, Value, constant
from gonogo.analysis.python.modules import Module

MAX_UNROLLED = 6
MAX_BODY = 150  # nodes of a body that is walked once for each entry


def walk_for(walker: Walker, node: ast.For | ast.AsyncFor) -> End | None:
    """`for target in iterated`."""
    iterated = walker.read(node.iter)
    loop = Loop(walker.module, node, "for", iterated=iterated)
    listed = entries(walker, iterated, node, MAX_UNROLLED)
    walker.emit(loop)
    if listed is not None and (len(listed) <= 3 or _size(walker.module, node) <= MAX_BODY) and not _leaves(walker.module, node):
        _unrolled(walker, node, loop, listed)
    else:
        value = element(walker, iterated, node.iter)
        loop.bound = value
        _turning(walker, node, loop, value)
    with walker.within(loop, loop.orelse):
        walker.run(node.orelse)
    return None


def _unrolled(walker: Walker, node: ast.For | ast.AsyncFor, loop: Loop, listed: list[Value]) -> None:
    for value in listed:
        block = Block()
        loop.turns.append(block)
        walker.frame.loops.append(Turning())
        with walker.within(loop, block):
            assign(walker, node.target, value)
            walker.run(node.body)
        walker.frame.loops.pop()


def walk_while(walker: Walker, node: ast.While) -> End | None:
    """`while test`."""
    known = truth(walker.read(node.test))
    if known is False:
        return walker.run(node.orelse)
    loop = Loop(walker.module, node, "while")
    walker.emit(loop)
    _turning(walker, node, loop, None)
    return None


def _turning(walker: Walker, node: ast.For | ast.AsyncFor | ast.While, loop: Loop, value: Value | None) -> None:
    """Walk the body of a loop once.

    The names that it assigns stand for what they were before the loop or for what the body left them as.
    """
    frame = walker.frame
    turning = Turning()
    for name in walker.module.once(_assigned, node):
        before = frame.names.get(name)
        if before is not None:
            turning.names[name] = Turn(walker.module, node, before)
            frame.names.set(name, turning.names[name])
    frame.loops.append(turning)
    walker.heap.push()
    block = Block()
    loop.turns.append(block)
    with walker.within(loop, block):
        if isinstance(node, ast.While):
            loop.test = walker.read(node.test)
        elif value is not None:
            assign(walker, node.target, value)
        end = walker.run(node.body)
    frame.loops.pop()
    walker.heap.join([{}, walker.heap.pop()], walker.module, node)
    for name, turn in turning.names.items():
        after = frame.names.get(name)
        if after is not None and end in (None, End.CONTINUE, End.BREAK):
            turn.add(after)
        turn.is_open = False
        frame.names.set(name, turn if len(turn.options) > 1 else turn.options[0])


def _assigned(node: ast.For | ast.AsyncFor | ast.While) -> list[str]:
    """The names that the body of a loop assigns, in its own scope."""
    found: dict[str, None] = {}
    pending: list[ast.AST] = [*node.body]
    while pending:
        inner = pending.pop()
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[inner.name] = None
        elif not isinstance(inner, ast.Lambda):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                found[inner.id] = None
            pending += ast.iter_child_nodes(inner)
    return list(found)


def _size(module: Module, node: ast.AST) -> int:
    return module.once(_count, node)


def _count(node: ast.AST) -> int:
    return sum(1 for _ in ast.walk(node))


def _leaves(module: Module, node: ast.For | ast.AsyncFor) -> bool:
    """Whether the body may leave the loop: then the turns are not one after the other for sure."""
    return module.once(_may_leave, node)


def _may_leave(node: ast.For | ast.AsyncFor) -> bool:
    pending: list[ast.AST] = [*node.body]
    while pending:
        inner = pending.pop()
        if isinstance(inner, (ast.Break, ast.Return)):
            return True
        if not isinstance(inner, (ast.For, ast.AsyncFor, ast.While, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(inner)
    return False


# -- comprehensions -------------------------------------------------------------------------------------------------------

_KINDS = {ast.ListComp: "list", ast.SetComp: "set", ast.GeneratorExp: "generator", ast.DictComp: "dict"}
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def _comprehension(walker: Walker, node: Comprehension) -> Value:
    first = node.generators[0]
    iterated = walker.read(first.iter)
    listed = entries(walker, iterated, node, MAX_UNROLLED) if len(node.generators) == 1 and not first.ifs else None
    if listed is not None and not isinstance(node, ast.SetComp):
        return _written_out(walker, node, iterated, listed)
    loop = Loop(walker.module, node, "comprehension", iterated=iterated)
    walker.emit(loop)
    block = Block()
    loop.turns.append(block)
    with walker.in_frame(child_frame(walker, node)), walker.within(loop, block):
        for place, generator in enumerate(node.generators):
            source = iterated if place == 0 else walker.read(generator.iter)
            value = element(walker, source, generator.iter)
            if place == 0:
                loop.bound = value
            assign(walker, generator.target, value)
            for test in generator.ifs:
                known = walker.read(test)
                if constant(known) is ...:
                    walker.emit(Branch(walker.module, test, known))
        key = walker.read(node.key) if isinstance(node, ast.DictComp) else None
        result = walker.read(node.value if isinstance(node, ast.DictComp) else node.elt)
    return Repeated(walker.module, node, _KINDS[type(node)], result, iterated, key)


def _written_out(walker: Walker, node: ast.ListComp | ast.GeneratorExp | ast.DictComp, iterated: Value, listed: list[Value]) -> Value:
    loop = Loop(walker.module, node, "comprehension", iterated=iterated)
    walker.emit(loop)
    keys, found = [], []
    for value in listed:
        block = Block()
        loop.turns.append(block)
        with walker.in_frame(child_frame(walker, node)), walker.within(loop, block):
            assign(walker, node.generators[0].target, value)
            if isinstance(node, ast.DictComp):
                keys.append(walker.read(node.key))
            found.append(walker.read(node.value if isinstance(node, ast.DictComp) else node.elt))
    if isinstance(node, ast.DictComp):
        return Mapping(walker.module, node, tuple(zip(keys, found, strict=True)))
    return Display(walker.module, node, "list", tuple(found))


EXPRESSIONS.update(dict.fromkeys(_KINDS, _comprehension))
