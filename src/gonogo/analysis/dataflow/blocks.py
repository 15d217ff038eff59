"""The tree of events of a program, in the order in which they happen.

Events stand within loops, branches, `with` blocks, `try` statements and called functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import Enum

from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.values import Call, Context, Operation, Value, plain
from gonogo.analysis.python.modules import Module


class End(Enum):
    """How a piece of code ends, where it does not go on to what follows."""

    RETURN = "return"
    RAISE = "raise"
    CONTINUE = "continue"
    BREAK = "break"


class Happening:
    """One thing that happens. `parent` is what it happens within."""

    __slots__ = ("module", "node", "parent")

    def __init__(self, module: Module, node: ast.AST) -> None:
        self.module = module
        self.node = node
        self.parent: Happening | None = None

    def blocks(self) -> Iterator[Block]:
        """The blocks within it."""
        return iter(())

    def around(self) -> Iterator[Happening]:
        """What it happens within, innermost first."""
        parent = self.parent
        while parent is not None:
            yield parent
            parent = parent.parent


class Block:
    """Things that happen one after the other; `end` where the last one leaves."""

    __slots__ = ("contents", "end", "items")

    def __init__(self) -> None:
        self.items: list[Happening] = []
        self.end: End | None = None
        self.contents: object = None  # kept by `contents.contents_of`


class Event(Happening):
    """A call that is not walked into, or that of an object of the project."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        super().__init__(call.module, call.node)
        self.call = call


class Write(Happening):
    """A write into an object.

    It is an attribute (`key` is its name), an item, or an item that is added (`key` is None).
    """

    __slots__ = ("key", "owner", "value")

    def __init__(self, module: Module, node: ast.AST, owner: Value, key: str | Value | None, value: Value) -> None:
        super().__init__(module, node)
        self.owner = owner
        self.key = key
        self.value = value


class Change(Happening):
    """An augmented assignment, `x += y`; `result` is what the name stands for afterwards."""

    __slots__ = ("before", "context", "operand", "operator", "result")

    def __init__(self, module: Module, node: ast.AST, before: Value, operator: str, operand: Value, result: Value) -> None:
        super().__init__(module, node)
        self.context = Context()
        self.before = before
        self.operator = operator
        self.operand = operand
        self.result = result


class Alias(Happening):
    """A second name for what has one already: `best_model = model`."""

    __slots__ = ("name", "value")

    def __init__(self, module: Module, node: ast.AST, name: str, value: Value) -> None:
        super().__init__(module, node)
        self.name = name
        self.value = value


class Loop(Happening):
    """A loop. `iterated` is what a `for` goes through, `test` the condition of a `while`.

    Attributes:
        kind: `for`, `while`, `comprehension`, or `callback` for a function that a library calls as often as it likes.
        turns: where the entries are written out, one block for each; else one block for any.
        bound: what the target of a `for` stands for.
    """

    __slots__ = ("bound", "iterated", "kind", "orelse", "test", "turns")

    def __init__(self, module: Module, node: ast.AST, kind: str, iterated: Value | None = None, test: Value | None = None) -> None:
        super().__init__(module, node)
        self.kind = kind
        self.iterated = iterated
        self.test = test
        self.turns: list[Block] = []
        self.orelse = Block()
        self.bound: Value | None = None

    def blocks(self) -> Iterator[Block]:
        yield from self.turns
        yield self.orelse


class Branch(Happening):
    """Branches of which exactly one is taken.

    The last one stands for all other cases. `test` is the condition of the first.
    """

    __slots__ = ("arms", "test")

    def __init__(self, module: Module, node: ast.AST, test: Value | None) -> None:
        super().__init__(module, node)
        self.test = test
        self.arms: list[Block] = []

    def blocks(self) -> Iterator[Block]:
        return iter(self.arms)

    def compared(self) -> tuple[Value, ...]:
        """The two sides of the comparison by size that decides; none where anything else does."""
        test = plain(self.test) if self.test is not None else None
        return test.operands if isinstance(test, Operation) and test.operator in ("<", ">", "<=", ">=") else ()


class With(Happening):
    """A `with` statement."""

    __slots__ = ("body", "contexts")

    def __init__(self, module: Module, node: ast.AST, contexts: list[Value]) -> None:
        super().__init__(module, node)
        self.contexts = contexts
        self.body = Block()

    def blocks(self) -> Iterator[Block]:
        yield self.body


class Attempt(Happening):
    """A `try` statement."""

    __slots__ = ("body", "final", "handlers", "orelse")

    def __init__(self, module: Module, node: ast.AST) -> None:
        super().__init__(module, node)
        self.body = Block()
        self.orelse = Block()
        self.handlers: list[tuple[ast.ExceptHandler, Block]] = []
        self.final = Block()

    def blocks(self) -> Iterator[Block]:
        yield self.body
        yield self.orelse
        for _, block in self.handlers:
            yield block
        yield self.final


class Called(Happening):
    """A call of one of the project's functions, whose body is walked.

    `call` says what was called with what arguments; `worker` says that a library calls the function elsewhere.
    """

    __slots__ = ("body", "call", "definition", "owner", "receiver", "result", "worker")

    def __init__(self, call: Call, definition: ast.AST, module: Module, receiver: Value | None, worker: bool = False) -> None:
        super().__init__(call.module, call.node)
        self.call = call
        self.definition = definition
        self.owner = module  # the module that holds the definition
        self.receiver = receiver
        self.body = Block()
        self.result: Value | None = None
        self.worker = worker

    def blocks(self) -> Iterator[Block]:
        yield self.body

    @property
    def applied(self) -> Instance | None:
        """The object that is called as a function."""
        return self.call.callee if isinstance(self.call.callee, Instance) else None


class Imported(Happening):
    """A module of the project that is imported for the first time: what its top level does."""

    __slots__ = ("body", "target")

    def __init__(self, module: Module, node: ast.AST, target: Module, body: Block) -> None:
        super().__init__(module, node)
        self.target = target
        self.body = body

    def blocks(self) -> Iterator[Block]:
        yield self.body


class Gives(Happening):
    """A `return`, with its value."""

    __slots__ = ("value",)

    def __init__(self, module: Module, node: ast.AST, value: Value | None) -> None:
        super().__init__(module, node)
        self.value = value


def happenings(block: Block) -> Iterator[Happening]:
    """Everything that happens in a block, in order, what happens within it after it itself."""
    for item in block.items:
        yield item
        for inner in item.blocks():
            yield from happenings(inner)
