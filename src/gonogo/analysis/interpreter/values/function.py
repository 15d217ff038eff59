"""Functions, methods and lambdas of the experiment, and how they are called."""

from __future__ import annotations

import ast
from collections.abc import Mapping as PlainMapping

from gonogo.analysis.interpreter.base import FEW, UNKNOWN, Arguments, Constant, Frame, FunctionNode, Spread, Value, Walk, come_back, let_go
from gonogo.analysis.interpreter.memory import Cells, Field
from gonogo.analysis.interpreter.trace import Misuse, Wrong
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Module, qualified_name

MAX_CALLBACKS = 2
MAX_DEPTH = 50  # calls within calls
MAX_SAME = 2  # calls of one function within calls of it
PROPERTIES = frozenset({"property", "functools.cached_property", "cached_property"})


class Function(Value):
    """A function with its defining scope.

    Attributes:
        bound: the instance or class of a method.
        owner: the class in whose body it is defined.
        decorators: the dotted names of those that change how it is called.
    """

    __slots__ = ("_owner", "bound", "closure", "decorators", "defaults", "module", "node", "parameters")
    has_identity = True
    choices = FEW
    owner = Field[Value | None]()

    def __init__(
        self,
        node: FunctionNode,
        module: Module,
        closure: Frame,
        bound: Value | None = None,
        defaults: PlainMapping[str, Value] | None = None,
        decorators: tuple[str, ...] = (),
        owner: object = None,
    ) -> None:
        self.node = node
        self.module = module
        self.closure = closure
        self.bound = bound
        self.defaults = dict(defaults or {})
        self.decorators = decorators
        self.parameters = module.once(parameters, node.args)
        self._owner = owner

    def bind(self, instance: Value) -> Function:
        """The same function as a method of `instance`."""
        return Function(self.node, self.module, self.closure, instance, self.defaults, self.decorators, self._owner)

    def of_class(self, walk: Walk, instance: Value, cls: Value, at: ast.AST) -> Value:
        """A method, or what a property gives."""
        if "staticmethod" in self.decorators:
            return self
        method = self.bind(cls if "classmethod" in self.decorators else instance)
        return method.call(walk, Arguments(), at) if PROPERTIES & set(self.decorators) else method

    def call(self, walk: Walk, given: Arguments, at: ast.AST) -> Value:
        """Walk its body with the arguments bound to its parameters."""
        entered, process, key = walk.state.entered, walk.process, id(self.node)
        entered[key] = entered.get(key, 0) | walk.memory.now
        if process.depth >= MAX_DEPTH or process.active.get(key, 0) >= MAX_SAME:
            (let_go if process.depth >= MAX_DEPTH else come_back)(walk, given)
            return UNKNOWN
        names: Cells[str, Value] = Cells(self._bind(walk, given, at))
        closure = self.closure
        outer = None if closure.locals is closure.globals else closure
        return walk.run_function(self.node, Frame(self.module, names, closure.globals, outer, self))

    def _bind(self, walk: Walk, given: Arguments, at: ast.AST) -> dict[str, Value]:
        signature = self.node.args
        by_place, all_names, is_plain = self.parameters
        positional = [self.bound, *given.positional] if self.bound is not None else given.positional
        if is_plain and len(positional) == len(by_place) and not given.keywords:
            return dict(zip(by_place, positional, strict=True))
        values = dict(zip(by_place, positional, strict=False))
        rest: dict[Constant, Value] = {}
        for name, value in given.keywords.items():
            if name in all_names:
                values[name] = value
            else:
                rest[name] = value
        for name in all_names:
            if name not in values:
                values[name] = UNKNOWN if given.open else self.defaults.get(name, UNKNOWN)
        if signature.vararg is not None:
            values[signature.vararg.arg] = Sequence(positional[len(by_place) :], given.open, "tuple")
        if signature.kwarg is not None:
            values[signature.kwarg.arg] = Mapping(Spread(rest, open=given.open))
        else:
            refuse(walk, rest, given, getattr(self.node, "name", "lambda"), at)
        return values

    def call_back(self, walk: Walk) -> Value:
        """Call it as a library would, a few times at most."""
        return self.call_back_with(walk, Arguments())

    def call_back_with(self, walk: Walk, given: Arguments) -> Value:
        """Call it as a library would that adds what it likes to some arguments."""
        if not walk.may_call_back(self.node, MAX_CALLBACKS):
            return UNKNOWN
        signature = self.node.args
        names = [argument.arg for argument in [*signature.posonlyargs, *signature.args]][1 if self.bound is not None else 0 :]
        missing = [name for name in names[len(given.positional) :] if name not in given.keywords and name not in self.defaults]
        keywords = {**given.keywords, **{name: walk.expected(name) for name in missing}}
        with walk.state.deferred():
            return self.call(walk, Arguments(given.positional, keywords), self.node)

    def release(self, walk: Walk, depth: int = 0) -> None:
        """The library may call it."""
        self.call_back(walk)


def refuse(walk: Walk, rest: PlainMapping[Constant, Value], given: Arguments, name: str, at: ast.AST) -> None:
    """Record config keys that `**config` hands to something that has no parameter for them."""
    state = walk.state
    for keyword in rest:
        if keyword in given.spread and state.is_certain:
            brings = ".".join(given.spread[str(keyword)][:-1])
            state.record(Misuse(state.site(at), Wrong.SIGNATURE, f"`{name}` takes no `{keyword}`, which `**{brings}` brings"))


def parameters(signature: ast.arguments) -> tuple[list[str], list[str], bool]:
    """Return the names of a function's parameters.

    First those given by position, then all but `*args` and `**options`, and last whether all are given by position.
    """
    names = [argument.arg for argument in [*signature.posonlyargs, *signature.args]]
    named = [argument.arg for argument in signature.kwonlyargs]
    return names, names + named, not named and signature.vararg is None and signature.kwarg is None


def decorators_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """The dotted names of a function's decorators."""
    return tuple(qualified_name(entry.func if isinstance(entry, ast.Call) else entry) for entry in node.decorator_list)
