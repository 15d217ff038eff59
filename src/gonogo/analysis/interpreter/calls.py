"""Calls: binding arguments, entering functions and classes of the experiment, and letting go of what leaves it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, cast

from gonogo.analysis.interpreter.core import Core
from gonogo.analysis.interpreter.trace import Call, Misuse, Raised, Site
from gonogo.analysis.interpreter.values import (
    INERT,
    UNKNOWN,
    Arguments,
    Builtin,
    Choice,
    Class,
    Dict,
    Frame,
    Function,
    HydraMain,
    Instance,
    List,
    Method,
    Node,
    Partial,
    Super,
    Unknown,
    join,
)

if TYPE_CHECKING:
    from gonogo.analysis.interpreter.interpreter import Machine

MAX_DEPTH = 50
MAX_SAME_FUNCTION = 2
MAX_CALLBACKS = 2
# Libraries whose calls the rules want to see with their arguments.
WATCHED = ("optuna.", "wandb.")
# The same for what builds models: the calls themselves, not the methods of what they give.
BUILDERS = ("timm.create_model", "timm.models.create_model", "torchvision.models.", "transformers.")
NOTHING: Any = object()


class Calls(Core):
    """Calling things."""

    def _call(self, node: ast.Call, frame: Frame) -> Any:
        if type(node.func) is ast.Name and node.func.id == "super" and not node.args:
            return self._super(frame)
        callee = self.evaluate(node.func, frame)
        return self.invoke(callee, self._arguments(node, frame), node)

    @staticmethod
    def _super(frame: Frame) -> Any:
        scope: Frame | None = frame
        while scope is not None:
            function = scope.function
            if function is not None and function.owner is not None and function.bound is not None:
                return Super(function.bound, function.owner)
            scope = scope.outer
        return UNKNOWN

    def _arguments(self, node: ast.Call, frame: Frame) -> Arguments:
        arguments = Arguments()
        for part in node.args:
            if type(part) is ast.Starred:
                items, complete = self.iterate(self.evaluate(part.value, frame))
                arguments.positional.extend(items if complete else [])
                arguments.open = arguments.open or not complete
            else:
                arguments.positional.append(self.evaluate(part, frame))
        for keyword in node.keywords:
            value = self.evaluate(keyword.value, frame)
            if keyword.arg is not None:
                arguments.keywords[keyword.arg] = value
                continue
            spread = Dict()
            self.spread(value, spread)
            for key, item in spread.items.items():
                arguments.keywords[str(key)] = item
                if isinstance(value, Node):
                    arguments.spread[str(key)] = value.origin(key)
            arguments.open = arguments.open or spread.open or bool(spread.maybe)
        return arguments

    def invoke(self, callee: Any, arguments: Arguments, at: ast.AST) -> Any:
        """Call a value."""
        if isinstance(callee, Function):
            return self.enter(callee, arguments, at)
        if isinstance(callee, Unknown):
            return self.call_outside(callee, arguments, at)
        if isinstance(callee, Builtin):
            return self.call_builtin(callee.name, arguments, at)
        if isinstance(callee, Method):
            return self.call_method(callee, arguments, at)
        if isinstance(callee, Class):
            return self._instantiate(callee, arguments, at)
        if isinstance(callee, Instance):
            return self._call_instance(callee, arguments, at)
        if isinstance(callee, HydraMain):
            return self.start_hydra(callee, arguments, at)
        if isinstance(callee, Partial):
            first = callee.arguments
            both = Arguments(
                [*first.positional, *arguments.positional], {**first.keywords, **arguments.keywords}, first.open or arguments.open
            )
            return self.invoke(callee.callee, both, at)
        if isinstance(callee, Choice):
            return self.each(callee, lambda value: self.invoke(value, arguments, at))
        self.let_go(arguments)
        return UNKNOWN

    def call_function(self, function: Function, positional: list[Any], keywords: dict[str, Any], at: ast.AST) -> Any:
        """Call a function of the experiment with plain arguments."""
        return self.enter(function, Arguments(positional, keywords), at)

    def enter(self, function: Function, arguments: Arguments, at: ast.AST) -> Any:
        """Follow a call into a function of the experiment."""
        key = id(function.node)
        self.entered.add(key)
        if self.depth >= MAX_DEPTH or self.active.get(key, 0) >= MAX_SAME_FUNCTION:
            self.let_go(arguments)
            return UNKNOWN
        frame = Frame(function.module, {}, self.globals_of(function.module), function.closure, function)
        if frame.outer is not None and frame.outer.locals is frame.globals:
            frame.outer = None
        self._bind(function, arguments, frame, at)
        self.active[key] = self.active.get(key, 0) + 1
        self.depth += 1
        outer_module, self.module = self.module, function.module
        before = self.may_have_left
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body, frame)
            return self.run_body(function.node, frame)
        finally:
            self.module, self.may_have_left = outer_module, before
            self.depth -= 1
            self.active[key] -= 1

    def evaluate_defaults(self, function: Function, frame: Frame) -> None:
        """Evaluate a function's defaults where it is defined."""
        arguments = function.node.args
        names, _ = function.module.once(_parameters, arguments)
        for name, default in zip(names[len(names) - len(arguments.defaults) :], arguments.defaults, strict=True):
            function.defaults[name] = self.evaluate(default, frame)
        for argument, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if keyword_default is not None:
                function.defaults[argument.arg] = self.evaluate(keyword_default, frame)

    def _bind(self, function: Function, given: Arguments, frame: Frame, at: ast.AST) -> None:
        signature = function.node.args
        names, all_names = function.module.once(_parameters, signature)
        positional = [function.bound, *given.positional] if function.bound is not None else list(given.positional)
        values = dict(zip(names, positional, strict=False))
        extra = positional[len(names) :]
        rest: dict[Any, Any] = {}
        for name, value in given.keywords.items():
            if name in all_names:
                values[name] = value
            else:
                rest[name] = value
        for name in all_names:
            if name not in values:
                values[name] = UNKNOWN if given.open else function.defaults.get(name, UNKNOWN)
        if signature.vararg is not None:
            values[signature.vararg.arg] = List(extra, given.open, "tuple")
        if signature.kwarg is not None:
            values[signature.kwarg.arg] = Dict(rest, given.open)
        else:
            self._refuse(rest, given, getattr(function.node, "name", "lambda"), at)
        frame.locals.update(values)

    def _refuse(self, rest: dict[Any, Any], given: Arguments, name: str, at: ast.AST) -> None:
        """Record config keys that `**node` hands to something that has no parameter for them."""
        for keyword in rest:
            if keyword in given.spread and not self.guards and not self.in_doubt:
                self.trace.misuses.append(
                    Misuse(
                        self.site(at),
                        "signature",
                        f"`{name}` takes no `{keyword}`, which `**{'.'.join(given.spread[keyword][:-1])}` brings",
                    )
                )

    def _instantiate(self, cls: Class, arguments: Arguments, at: ast.AST) -> Any:
        instance = Instance(cls)
        self.instances.append(instance)
        init = cls.find("__init__")
        if isinstance(init, Function):
            self.enter(init.bind(instance), arguments, at)
        elif cls.is_dataclass:
            self._fill_dataclass(instance, cls, arguments, at)
        else:
            self.let_go(arguments)
        return instance

    def _fill_dataclass(self, instance: Instance, cls: Class, arguments: Arguments, at: ast.AST) -> None:
        names: list[str] = []
        for entry in reversed(list(cls.lineage())):
            for statement in entry.node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id not in names:
                    names.append(statement.target.id)
        instance.attributes.update(zip(names, arguments.positional, strict=False))
        rest: dict[Any, Any] = {}
        for name, value in arguments.keywords.items():
            if name in names:
                instance.attributes[name] = value
            else:
                rest[name] = value
        if not cls.foreign:
            self._refuse(rest, arguments, cls.node.name, at)
        for name in names:
            if name not in instance.attributes:
                default = cls.find(name)
                instance.attributes[name] = UNKNOWN if arguments.open or default is None or isinstance(default, Unknown) else default
        post_init = cls.find("__post_init__")
        if isinstance(post_init, Function):
            self.enter(post_init.bind(instance), Arguments(), at)

    def _call_instance(self, instance: Instance, arguments: Arguments, at: ast.AST) -> Any:
        for name in ("__call__", "forward"):
            method = instance.cls.find(name) if instance.cls else None
            if isinstance(method, Function):
                return self.enter(method.bind(instance), arguments, at)
        self.let_go(arguments)
        return UNKNOWN

    def call_outside(self, callee: Unknown, arguments: Arguments, at: ast.AST) -> Any:
        """Call something that is not the experiment's: by its model if the library has one, else as a leap into the unknown."""
        if callee.name.startswith(WATCHED) or (callee.name.startswith(BUILDERS) and "(" not in callee.name):
            self.trace.calls.append(
                Call(
                    Site(self.module, at),
                    callee.name,
                    tuple(arguments.positional),
                    dict(arguments.keywords),
                    arguments.open,
                    tuple(self.loops),
                    bool(self.doubt or self.uncertain),
                )
            )
        model = self.library.get(callee.name) if callee.name else None
        if model is not None:
            result = model(cast("Machine", self), arguments, at)
            if result is not NOTHING:
                return result
        if not self.is_sink(callee.name):
            self.let_go(arguments)
        return callee.called()

    def let_go(self, arguments: Arguments) -> None:
        """Arguments leave the experiment: configs may be read whole, functions may be called."""
        for value in arguments.values():
            self.release(value)

    def release(self, value: Any, depth: int = 0) -> None:
        """One value leaves the experiment."""
        if type(value) in INERT:
            return
        if isinstance(value, (Function, Partial)):
            self.call_back(value)
        elif isinstance(value, (List, Choice)) and depth < 2:
            for item in value.items if isinstance(value, List) else value.values:
                self.release(item, depth + 1)
        elif isinstance(value, Dict) and not isinstance(value, Node) and depth < 2:
            for item in value.items.values():
                self.release(item, depth + 1)
        if not isinstance(value, Instance):  # its methods are followed at the end, with what they really read
            self.escape(value)

    def call_back(self, value: Function | Partial) -> Any:
        """Call a function as a library would: with arguments nobody knows."""
        function = value
        given = Arguments()
        while isinstance(function, Partial):
            given = Arguments([*function.arguments.positional, *given.positional], {**function.arguments.keywords, **given.keywords})
            function = function.callee
        if not isinstance(function, Function):
            return UNKNOWN
        key = id(function.node)
        if self.called_back.get(key, 0) >= MAX_CALLBACKS or self.active.get(key, 0):
            return UNKNOWN
        self.called_back[key] = self.called_back.get(key, 0) + 1
        signature = function.node.args
        names = [argument.arg for argument in [*signature.posonlyargs, *signature.args]][1 if function.bound is not None else 0 :]
        missing = [name for name in names[len(given.positional) :] if name not in given.keywords and name not in function.defaults]
        keywords = {**given.keywords, **{name: Unknown("optuna.Trial") if name == "trial" else UNKNOWN for name in missing}}
        self.deferred += 1
        try:
            return self.enter(function, Arguments(given.positional, keywords, False), function.node)
        finally:
            self.deferred -= 1

    def record_raise(self, node: ast.AST, key: str | None = None) -> None:
        """Record a `raise`, or the look-up of a key that is not there, that is reached whatever the unknowns are."""
        if not (self.uncertain or self.guards or self.doubt or self.may_have_left):
            self.trace.raised.append(Raised(Site(self.module, node), tuple(self.loops), key))

    def finish_instances(self) -> None:
        """Follow the methods nobody was seen to call of every object made: a framework may call them."""
        self.uncertain += 1
        try:
            for instance in self.instances:
                for cls in instance.cls.lineage() if instance.cls else []:
                    for member in list(cls.attributes.values()):
                        if isinstance(member, Function) and id(member.node) not in self.entered and "staticmethod" not in member.decorators:
                            self.call_back(member.bind(instance))
        finally:
            self.uncertain -= 1

    @staticmethod
    def joined(values: list[Any]) -> Any:
        """One value for several."""
        result = values[0] if values else None
        for value in values[1:]:
            result = join(result, value)
        return result


def _parameters(signature: ast.arguments) -> tuple[list[str], list[str]]:
    """The names of a function's parameters: those that are given by place, and all but `*args` and `**options`."""
    names = [argument.arg for argument in [*signature.posonlyargs, *signature.args]]
    return names, names + [argument.arg for argument in signature.kwonlyargs]
