"""Where abstract walks begin.

They begin at the top of scripts, and at functions and classes that no script reaches, with unknown parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from gonogo.analysis.dataflow import calls as _calls  # noqa: F401  (it enters what calls do)
from gonogo.analysis.dataflow.blocks import Block, Event, Happening, Imported
from gonogo.analysis.dataflow.calls import into
from gonogo.analysis.dataflow.changes import changes_of
from gonogo.analysis.dataflow.contents import Contents, contents_of
from gonogo.analysis.dataflow.core import FEWEST_STEPS, Imports, Place, Walker
from gonogo.analysis.dataflow.definitions import Class, Function, Instance
from gonogo.analysis.dataflow.locate import Locator
from gonogo.analysis.dataflow.parameters import parameters_of
from gonogo.analysis.dataflow.store import by_owner
from gonogo.analysis.dataflow.values import Call, Context, Value
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import main_guard

T = TypeVar("T")
H = TypeVar("H", bound=Happening)
ALL_STEPS = 120_000  # statements walked in a whole project
MOST_STEPS = 12_000  # in one program
# Libraries of which a program must use one, directly or through its own modules, for there to be anything to look at.
SUBJECTS = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?:torch|numpy|pandas|sklearn|scipy|tensorflow|keras|jax|flax|optax|xgboost|lightgbm|catboost|"
    r"transformers|lightning|pytorch_lightning|accelerate|datasets|imblearn|polars|timm|cv2|PIL|random|statsmodels|evaluate|torchmetrics|mxnet|paddle|"
    r"wandb|optuna|omegaconf|hydra)\b",
    re.MULTILINE,
)


@dataclass(eq=False)
class Program:
    """One walk: a script, or a function or class that nothing known calls.

    Attributes:
        module: where it begins.
        name: of the function or class, empty for a script.
        body: what happens.
        imports: what its imports gave, shared with the other programs of the project.
        heap: what objects hold in the end because of the program itself.
        is_script: it was walked from the top of a file that is started.
    """

    module: Module
    name: str
    body: Block
    imports: Imports
    heap: dict[Place, Value]
    is_script: bool
    answers: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    @cached_property
    def own_fields(self) -> dict[Value, dict[object, Value]]:
        """What each object holds in the end because of the program itself, by the part of it."""
        return by_owner(self.heap)

    def fields(self, owner: Value) -> dict[object, Value]:
        """What an object holds in the end: attributes by name, entries, content."""
        return self.imports.fields.get(owner, {}) | self.own_fields.get(owner, {})

    @cached_property
    def contents(self) -> list[Contents]:
        """What happens, by kind: in the program itself first, then in each module that it imports."""
        own = contents_of(self.body)
        found, pending = {own: None}, list(own.imports)
        while pending:
            inner = contents_of(pending.pop(0))
            if inner not in found:
                found[inner] = None
                pending += inner.imports
        return list(found)

    def known(self, ask: Callable[[Program], T]) -> T:
        """What a function finds in the program: asked once, however many rules want it."""
        if ask not in self.answers:
            self.answers[ask] = ask(self)
        return self.answers[ask]  # type: ignore[no-any-return]

    def gather(self, ask: Callable[[Contents], Iterable[T]]) -> Iterator[T]:
        """What a function finds in the program and in each module that it imports."""
        for part in self.contents:
            yield from part.gathered(ask)

    def calls(self, *names: str) -> Iterator[Event]:
        """Yield every call that is not walked into, of functions or methods of these names.

        A name is the last part of the dotted name. Without names, every such call is given.
        """
        for part in self.contents:
            for name in names or part.events:
                yield from part.events.get(name, ())

    def has(self, *names: str) -> bool:
        """Whether anything of one of these names is called."""
        return any(name in part.events for part in self.contents for name in names)

    def all(self, kind: type[H]) -> Iterator[H]:
        """Everything of a kind that happens: loops, branches, writes."""
        for part in self.contents:
            yield from part.of(kind)


def walk_programs(modules: Mapping[str, Module]) -> list[Program]:
    """Every program of a project, scripts first."""
    return list(_Project(modules).programs())


class _Project:
    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = [modules[path] for path in sorted(modules) if modules[path].tree is not None]
        self.locator = Locator(modules)
        self.imports = Imports(changes_of(self.modules))
        self.steps = ALL_STEPS
        self.seen: set[ast.AST] = set()  # functions that some walk went into

    def programs(self) -> Iterator[Program]:
        subjects = [module for module in self.modules if SUBJECTS.search(module.text)]
        imported = {part for module in self.modules for dotted in module.imports.values() for part in dotted.split(".")}
        scripts = [
            module
            for module in self.modules
            if is_script(module, module.name.rpartition(".")[2] in imported) and (module in subjects or self._uses(module, subjects))
        ]
        for place, module in enumerate(scripts):
            yield self._script(module, self._share(len(scripts) - place + len(subjects)))
        for place, module in enumerate(subjects):
            yield from self._rest(module, self._share(len(subjects) - place))

    def _share(self, left: int) -> int:
        return max(FEWEST_STEPS, min(MOST_STEPS, 4 * self.steps // max(left, 1)))

    def _uses(self, module: Module, subjects: list[Module]) -> bool:
        names = {subject.name.rpartition(".")[2] for subject in subjects}
        return any(part in names for dotted in module.imports.values() for part in dotted.split("."))

    def _spend(self, walker: Walker, given: int) -> None:
        self.steps = max(0, self.steps - (given - max(walker.steps, 0)))
        self.seen.update(walker.walked)

    def _script(self, module: Module, steps: int) -> Program:
        walker = Walker(self.locator, self.imports, steps, module)
        assert module.tree is not None
        walker.active.append(module.tree)
        walker.run(module.tree.body)
        walker.end()
        self._spend(walker, steps)
        return Program(module, "", walker.block, self.imports, _flat(walker.heap.layers[1:]), is_script=True)

    def _rest(self, module: Module, steps: int) -> Iterator[Program]:
        """Functions and classes of a module that no walk went into."""
        unseen = [entry for entry in _definitions(module) if any(inner not in self.seen for inner in _functions(entry))]
        if not unseen:
            return
        walker = Walker(self.locator, self.imports, steps, _NOTHING)
        frame = walker.frame = walker.frame_of(module)
        for entry in _callers_first(unseen):
            if all(inner in self.seen for inner in _functions(entry)):
                continue
            walker.walked.clear()
            walker.block = Block()
            top = self.imports.bodies.get(module)
            if top is not None and top.items:
                walker.emit(Imported(module, module.tree or entry, module, top))
            begun = len(walker.block.items)
            walker.heap.push()
            value = frame.names.get(entry.name)
            if isinstance(value, Function):
                into(walker, value, Call(module, entry, value, (), parameters_of(value)))
            elif isinstance(value, Class):
                self._class(walker, value)
            self.seen.update(walker.walked)
            heap = walker.heap.pop()
            if len(walker.block.items) > begun:
                yield Program(module, entry.name, walker.block, self.imports, heap, is_script=False)
            if walker.steps <= 0:
                break
        walker.end()
        self._spend(walker, steps)

    def _class(self, walker: Walker, cls: Class) -> None:
        """An object whose methods are called in the order they are written, those that others call by these."""
        made: Value = Instance(cls.module, cls.definition, cls)
        assert isinstance(made, Instance)
        init = cls.member("__init__")
        if isinstance(init, Function):
            into(walker, init.bound(made), Call(cls.module, cls.definition, cls, (), parameters_of(init)))
        methods = [value for value in cls.names.values() if isinstance(value, Function) and value.name != "__init__"]
        by_definition: dict[ast.AST, Function] = {value.definition: value for value in methods}
        for definition in _callers_first([value.definition for value in methods if not isinstance(value.definition, ast.Lambda)]):
            method = by_definition[definition]
            if definition not in self.seen and not walker.walked.get(definition):
                decorators = [ast.unparse(entry) for entry in definition.decorator_list]
                bound = method if "staticmethod" in decorators else method.bound(made)
                with walker.in_context(Context()):
                    into(walker, bound, Call(cls.module, definition, bound, (), parameters_of(bound)))


_NOTHING = Module("", "")  # the main module of what is walked without being started
Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _flat(layers: list[dict[Place, Value]]) -> dict[Place, Value]:
    found: dict[Place, Value] = {}
    for layer in layers:
        found.update(layer)
    return found


def is_script(module: Module, is_imported: bool) -> bool:
    """Return whether running a file does something.

    It does if it has a `__main__` guard, or top-level statements that do more than set values.
    """
    if module.tree is None:
        return False
    if main_guard(module) is not None:
        return True
    return not module.is_package and any(_acts(entry, is_imported) for entry in module.tree.body)


def _acts(statement: ast.stmt, is_imported: bool) -> bool:
    if isinstance(statement, (ast.Assign, ast.If)) and not is_imported:
        return any(isinstance(inner, ast.Call) for inner in ast.walk(statement))
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return isinstance(statement, (ast.For, ast.While, ast.With))


def _definitions(module: Module) -> Iterator[Named]:
    """Functions and classes of the top level."""
    for node in module.definitions.values():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node


def _functions(node: Named) -> Iterator[ast.AST]:
    if isinstance(node, ast.ClassDef):
        yield from (entry for entry in node.body if isinstance(entry, (ast.FunctionDef, ast.AsyncFunctionDef)))
    else:
        yield node


def _callers_first(listed: Iterable[Named]) -> list[Named]:
    """Definitions that others of the list name come after these."""
    nodes = list(listed)
    names = {node.name for node in nodes}
    named: dict[str, set[str]] = {}
    for node in nodes:
        used = {
            inner.id if isinstance(inner, ast.Name) else inner.attr
            for inner in ast.walk(node)
            if isinstance(inner, (ast.Name, ast.Attribute))
        }
        named[node.name] = (used & names) - {node.name}
    mentioned = {name for used in named.values() for name in used}
    return sorted(nodes, key=lambda node: node.name in mentioned)
