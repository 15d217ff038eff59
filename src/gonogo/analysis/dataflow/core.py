"""The walker: where it stands, and the tables of what each kind of statement and expression does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from gonogo.analysis.dataflow.blocks import Block, End, Happening, Imported
from gonogo.analysis.dataflow.changes import Changes
from gonogo.analysis.dataflow.contents import prune
from gonogo.analysis.dataflow.definitions import Frame
from gonogo.analysis.dataflow.locate import Locator
from gonogo.analysis.dataflow.store import Store, by_owner
from gonogo.analysis.dataflow.values import Attribute, Const, Context, Item, ModuleValue, Ref, Unknown, Value, choice, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module

MAX_DEPTH = 14  # calls within calls
IMPORT_STEPS = 3_000  # statements of the top level of a module, with what it calls
MAX_SAME = 24  # walks into one function
FEWEST_STEPS = 400

Statement = Callable[["Walker", ast.stmt], End | None]
Expression = Callable[["Walker", ast.expr], Value]
STATEMENTS: dict[type[ast.AST], Callable[..., End | None]] = {}
EXPRESSIONS: dict[type[ast.AST], Callable[..., Value]] = {}
#: How something is called, and what one entry of a library's container is made as; `calls` gives them.
HOOKS: dict[str, Callable[..., Value]] = {}
SAMPLES: dict[str, Callable[..., Value | None]] = {}
#: A part of an object: the name of an attribute, ("item", key), or CONTENT for what is added under keys that are not known.
Place = tuple[Value, object]
CONTENT = "<content>"


class Imports:
    """What importing the project's modules gives, the same for all its programs.

    Args:
        changes: what the project writes again while it runs.

    Attributes:
        frames: their names.
        bodies: what their top levels do.
        heap: what the objects that they make hold.
        taken: each attribute and entry that is read of something the walk does not know the content of, in this and all later programs;
            an attribute of one thing once for each place.
    """

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.taken: list[Attribute | Item | Ref] = []
        self.frames: dict[Module, Frame] = {}
        self.bodies: dict[Module, Block] = {}
        self.heap: Store[Place] = Store()

    @cached_property
    def fields(self) -> dict[Value, dict[object, Value]]:
        """What each of these objects holds, once all programs are walked."""
        return by_owner(self.heap.layers[0])


class Walker:
    """Walks through one program.

    Args:
        locator: finds the project's modules.
        imports: modules that were imported by this program or an earlier one.
        steps: how many statements may be walked; beyond, functions are no longer walked into.
        main: the module that is started, whose `__name__` is `__main__`.

    Attributes:
        frame: the names where it stands.
        heap: what objects hold.
        block: where events are put, within `inside`.
        context: what surrounds the calls.
        walked: how often each function was walked into.
        own: the names of the module that is started.
        iterated: whose entries are being looked for.
    """

    def __init__(self, locator: Locator, imports: Imports, steps: int, main: Module) -> None:
        self.locator = locator
        self.imports = imports
        self.steps = steps
        self.main = main
        self.own = Frame(main, main.tree or ast.Module([], []), None)
        self.heap: Store[Place] = Store()
        self.heap.layers = [imports.heap.layers[0], {}]
        self.block = Block()
        self.inside: Happening | None = None
        self.context = Context()
        self.walked: dict[ast.AST, int] = {}
        self.imported_here: set[Module] = set()
        self.opened: list[Frame] = []
        self.frame: Frame = self.own
        self.active: list[ast.AST] = []
        self.iterated: set[Value] = set()
        self._attributes: dict[tuple[Value, str], Attribute] = {}
        self._again: set[ast.AST] = set()  # places that ask for an attribute that was asked for before
        self._items: dict[tuple[Value, object], Item] = {}

    # -- where it stands ----------------------------------------------------------------------------------------------

    @property
    def module(self) -> Module:
        """The file of the code that is walked."""
        return self.frame.module

    def emit(self, happening: Happening) -> None:
        """Something happens here."""
        happening.parent = self.inside
        self.block.items.append(happening)

    @contextmanager
    def within(self, happening: Happening, block: Block) -> Iterator[None]:
        """What happens meanwhile goes into a block of a happening."""
        before = self.block, self.inside
        self.block, self.inside = block, happening
        try:
            yield
        finally:
            self.block, self.inside = before

    @contextmanager
    def in_frame(self, frame: Frame) -> Iterator[None]:
        """Names are meanwhile those of another frame."""
        before = self.frame
        self.frame = frame
        try:
            yield
        finally:
            self.frame = before

    @contextmanager
    def in_context(self, context: Context) -> Iterator[None]:
        """Calls are meanwhile surrounded by something else."""
        before = self.context
        self.context = context
        try:
            yield
        finally:
            self.context = before

    def may_walk(self, definition: ast.AST) -> bool:
        """Whether to walk into a function: not from itself, not too deep, not too often."""
        return (
            definition not in self.active and len(self.active) < MAX_DEPTH and self.steps > 0 and self.walked.get(definition, 0) < MAX_SAME
        )

    # -- statements and expressions -----------------------------------------------------------------------------------

    def run(self, body: list[ast.stmt]) -> End | None:
        """Walk statements in order; how they end."""
        for statement in body:
            self.steps -= 1
            walk = STATEMENTS.get(type(statement))
            end = walk(self, statement) if walk is not None else None
            if end is not None:
                self.block.end = end
                return end
        return None

    def read(self, node: ast.expr) -> Value:
        """The value of an expression."""
        reader = EXPRESSIONS.get(type(node))
        return reader(self, node) if reader is not None else Unknown(self.module, node)

    def apply(self, callee: Value, arguments: tuple[Value, ...], keywords: dict[str, Value], node: ast.AST, is_open: bool = False) -> Value:
        """What calling a value gives."""
        return HOOKS["apply"](self, callee, arguments, keywords, node, is_open)

    def sample(self, container: Value, node: ast.AST) -> Value | None:
        """Return how one element of a library's container, such as a data loader, was made.

        None where that is not known.
        """
        return SAMPLES["sample"](self, container, node)

    # -- parts of objects ---------------------------------------------------------------------------------------------

    def attribute_of(self, owner: Value, name: str, node: ast.AST) -> Attribute:
        """The attribute of a value whose content is not known: the same node each time."""
        key = (owner, name)
        found = self._attributes.get(key)
        if found is None:
            found = self._attributes[key] = Attribute(self.module, node, owner, name)
            self.imports.taken.append(found)
        elif found.node is not node and node not in self._again:
            self._again.add(node)
            self.imports.taken.append(Attribute(self.module, node, owner, name))
        return found

    def item_of(self, owner: Value, key: Value, node: ast.AST) -> Item:
        """The entry of a value whose content is not known: the same node each time for the same literal key."""
        is_literal = isinstance(key, Const) and isinstance(key.value, (str, int))
        found = self._items.get((owner, key.value)) if isinstance(key, Const) and is_literal else None
        if found is None:
            found = Item(self.module, node, owner, key)
            self.imports.taken.append(found)
            if isinstance(key, Const) and is_literal:
                self._items[owner, key.value] = found
        return found

    def held(self, owner: Value, place: object) -> Value | None:
        """What was written into a part of an object."""
        return self.heap.get((base(owner), place))

    def hold(self, owner: Value, place: object, value: Value) -> None:
        """Write into a part of an object."""
        self.heap.set((base(owner), place), value)

    def now(self, value: Value, node: ast.AST, is_written_again: bool) -> Value:
        """Return what is read of a part or name; of a literal that is written again it is unknown which.

        Args:
            value: what the walk has for it.
            node: where it is read.
            is_written_again: whether the project writes the part or name again; see `Changes`.
        """
        if is_written_again and isinstance(plain(value), Const):
            return choice(self.module, node, [value, Unknown(self.module, node)])
        return value

    # -- modules ------------------------------------------------------------------------------------------------------

    def imported(self, node: ast.AST, dotted: str) -> Value:
        """What a dotted name imports: a module of the project, one of its names, something of a library."""
        target = self.locator.find(self.module, dotted)
        if target is not None:
            return ModuleValue(self.module, node, target)
        owner, _, name = dotted.rpartition(".")
        found = self.locator.find(self.module, owner) if owner else None
        if found is not None:
            return self.member(found, name, node)
        return Ref(self.module, node, dotted)

    def member(self, target: Module, name: str, node: ast.AST) -> Value:
        """What a module of the project has under a name."""
        found = self.frame_of(target).names.get(name)
        if found is not None:
            return found
        inner = self.locator.find(target, f"{target.name}.{name}" if target.is_package else "")
        return ModuleValue(self.module, node, inner) if inner is not None else Unknown(self.module, node)

    def frame_of(self, module: Module) -> Frame:
        """The names of a module of the project; what its top level does happens where it is first imported."""
        if module is self.main:
            return self.own
        is_first = module not in self.imported_here
        self.imported_here.add(module)
        frame = self.imports.frames.get(module)
        if frame is None:
            frame = self._import(module)
        if is_first:
            body = self.imports.bodies[module]
            if body.items:
                self.emit(Imported(self.frame.module if self.frame else module, module.tree or ast.Module([], []), module, body))
        return frame

    def _import(self, module: Module) -> Frame:
        """Walk the top level of a module, once for all programs of the project."""
        frame = self.imports.frames[module] = Frame(module, module.tree or ast.Module([], []), None)
        body = self.imports.bodies[module] = Block()
        if module.tree is None:
            return frame
        before = self.heap, self.steps, self.active, self.block, self.inside
        self.heap, self.steps, self.active = self.imports.heap, IMPORT_STEPS, [module.tree]
        self.block, self.inside = body, None
        with self.in_frame(frame), self.in_context(Context()):
            self.run(module.tree.body)
        prune(body)
        self.heap, self.steps, self.active, self.block, self.inside = before
        return frame

    def bind(self, name: str, value: Value) -> None:
        """Bind a name to a value.

        What a program writes into an imported module is undone when the walk of that program ends.
        """
        if self.frame.outer.get(name) == "global" and self.frame.top is not self.own:
            top = self.frame.top
            if top not in self.opened:
                self.opened.append(top)
                top.names.push()
        self.frame.bind(name, value)

    def end(self) -> None:
        """End the walk of a program."""
        for frame in self.opened:
            frame.names.pop()
        self.opened.clear()
