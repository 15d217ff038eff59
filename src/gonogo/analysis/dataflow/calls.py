"""Calls in the abstract walk.

The project's own functions, classes and objects are walked into; all other calls are recorded as events.
"""

from __future__ import annotations

import ast

from gonogo.analysis.dataflow.blocks import Block, Branch, Called, End, Event, Loop
from gonogo.analysis.dataflow.builtin import BUILTINS
from gonogo.analysis.dataflow.containers import changed_by, element, entries
from gonogo.analysis.dataflow.contexts import decorated
from gonogo.analysis.dataflow.core import EXPRESSIONS, HOOKS, SAMPLES, Walker
from gonogo.analysis.dataflow.definitions import Class, Frame, Function, Instance
from gonogo.analysis.dataflow.parameters import bind_parameters, parameters_of
from gonogo.analysis.dataflow.statements import walk_arms
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Context,
    Display,
    Element,
    Item,
    Mapping,
    Parameter,
    Ref,
    Repeated,
    Returned,
    Unknown,
    Value,
    choice,
    constant,
    options,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base

MAX_ARMS = 8  # objects of which one is called, that are walked into one by one
MAX_MODULES = 12  # objects of one class whose `__init__` is walked
# Library calls that keep a function for later, or only look at it: it is not walked where they stand.
KEEPS = frozenset({"partial", "wraps", "signal", "register", "add_argument", "DataLoader", "lru_cache", "print", "isinstance", "delayed"})
# Calls that change nothing and that no question is about.
TRIFLES = words(
    """
    isinstance len hasattr range super.__init__ add_argument TypeVar getLogger join format Path callable issubclass getattr type lower
    upper strip split_name startswith endswith dirname basename id repr
    """
)
TRIFLING = ("re.", "logging.", "typing.", "warnings.", "functools.", "pathlib.", "abc.", "enum.", "dataclasses.")
LOADERS = frozenset({"DataLoader", "StatefulDataLoader", "PrefetchLoader"})


def _call(walker: Walker, node: ast.Call) -> Value:
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call) and _is_super(node.func.value):
        callee = _of_super(walker, node.func)
    else:
        callee = _applied(walker.read(node.func))
    arguments: list[Value] = []
    is_open = False
    for entry in node.args:
        if isinstance(entry, ast.Starred):
            inner = walker.read(entry.value)
            known = entries(walker, inner, entry, 12)
            if known is None:
                is_open = True
                arguments.append(element(walker, inner, entry))
                break  # what comes after it has no place that is known
            arguments += known
        else:
            arguments.append(walker.read(entry))
    keywords: dict[str, Value] = {}
    for keyword in node.keywords:
        value = walker.read(keyword.value)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
            continue
        given = plain(value)
        if isinstance(given, Mapping) and not given.is_open:
            keywords.update((name, entry) for key, entry in given.entries if isinstance(name := constant(key), str))
        else:
            is_open = True
            keywords.setdefault("**", value)
    return walker.apply(callee, tuple(arguments), keywords, node, is_open)


def _applied(callee: Value) -> Value:
    """Return the network itself where its `forward` is called by name.

    `model.forward(x)` applies it as `model(x)` does.
    """
    if isinstance(callee, Choice):
        networks = [_applied(option) for option in options(callee)]
        return choice(callee.module, callee.node, networks) if all(isinstance(entry, Instance) for entry in networks) else callee
    if not isinstance(callee, Function) or getattr(callee.node, "name", "") != "forward" or not isinstance(callee.receiver, Instance):
        return callee
    cls = callee.receiver.cls
    is_module = any(name.endswith("Module") for name in cls.library_bases())
    return callee.receiver if is_module and cls.member("__call__") is None else callee


def _is_super(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "super"


def _of_super(walker: Walker, node: ast.Attribute) -> Value:
    """`super().name`: the method of the next class in line."""
    owner, receiver = walker.frame.owner, walker.frame.receiver
    if owner is not None and receiver is not None:
        for entry in list(owner.ancestors())[1:]:
            member = entry.names.get(node.attr)
            if isinstance(member, Function):
                return member.bound(receiver)
    nothing = Ref(walker.module, node, "super")
    return Attribute(walker.module, node, receiver or nothing, f"super.{node.attr}")


def apply(
    walker: Walker, callee: Value, arguments: tuple[Value, ...], keywords: dict[str, Value], node: ast.AST, is_open: bool = False
) -> Value:
    """What calling a value gives."""
    callee = plain(callee)
    behind = base(callee)
    if isinstance(behind, (Instance, Class, Choice)) and not isinstance(callee, (Function, Choice)):
        callee = behind
    callee = _of_table(callee) or callee
    call = Call(walker.module, node, callee, arguments, keywords, is_open, walker.context)
    if isinstance(callee, Function):
        return into(walker, callee, call)
    if isinstance(callee, Class):
        return make(walker, callee, call)
    if isinstance(callee, Instance):
        return _object(walker, callee, call)
    if isinstance(callee, Choice):
        return _any(walker, callee, call)
    if isinstance(callee, Call) and callee.short == "partial" and callee.arguments:
        first, *given = callee.arguments
        return apply(walker, first, (*given, *arguments), callee.keywords | keywords, node, is_open or callee.is_open)
    if isinstance(behind, Call) and behind is not callee:
        call.callee = behind  # `model.to(device)(x)`
    return _library(walker, call)


def _of_table(callee: Value) -> Value | None:
    """Return what `TABLE[name]` or `TABLE.get(name)` may be, or None.

    It is known where every value of the table is a function or class of the project.
    """
    table: Value | None = None
    if isinstance(callee, Item):
        table = plain(callee.owner)
    elif isinstance(callee, Call) and callee.method == "get" and len(callee.arguments) == 1 and callee.receiver is not None:
        table = plain(callee.receiver)
    if not isinstance(table, Mapping) or table.is_open or table.added or not table.entries:
        return None
    listed = [plain(entry) for _, entry in table.entries]
    return choice(callee.module, callee.node, listed) if all(isinstance(entry, (Function, Class)) for entry in listed) else None


def _any(walker: Walker, callee: Choice, call: Call) -> Value:
    """A call of one of several: each is walked into as an arm of a branch."""
    listed = [option for option in options(callee) if constant(option) is not None]
    walkable = [option for option in listed if isinstance(base(option), (Function, Class, Instance))]
    if len(listed) == 1 and not isinstance(listed[0], Choice):
        return apply(walker, listed[0], call.arguments, call.keywords, call.node, call.is_open)
    if not walkable or len(listed) > MAX_ARMS:
        return _library(walker, call)
    branch = Branch(call.module, call.node, None)
    walker.emit(branch)
    found: list[Value] = []

    def arm(option: Value) -> End | None:
        found.append(apply(walker, option, call.arguments, call.keywords, call.node, call.is_open))
        return None

    walk_arms(walker, branch, [lambda option=option: arm(option) for option in listed])  # type: ignore[misc]
    return choice(call.module, call.node, found)


def _object(walker: Walker, callee: Instance, call: Call) -> Value:
    """`model(x)`: its `__call__`, or the `forward` that a library's `__call__` runs."""
    for name in ("__call__", "forward", "call"):
        member = callee.cls.member(name)
        if isinstance(member, Function) and (name != "call" or _is_keras(callee.cls)):
            value = into(walker, member.bound(callee), call)
            return value if value is call or isinstance(value, Unknown) else Returned(call, value)
    return _library(walker, call)


def _is_keras(cls: Class) -> bool:
    return any("keras" in name for name in cls.library_bases())


# -- into the project's functions -----------------------------------------------------------------------------------------


def into(walker: Walker, function: Function, call: Call, worker: bool = False) -> Value:
    """Walk into a function; what it returns, or the call itself where it is not walked into."""
    definition = function.definition
    if not walker.may_walk(definition):
        walker.emit(Event(call))
        return call
    called = Called(call, definition, function.module, function.receiver, worker)
    walker.emit(called)
    frame = Frame(function.module, definition, function.frame, function.owner)
    frame.receiver = function.receiver
    with walker.within(called, called.body):
        bind_parameters(walker, frame, function, call)
        result = run_body(walker, frame, function)
    called.result = result
    return result


def run_body(walker: Walker, frame: Frame, function: Function) -> Value:
    """Walk the body of a function whose parameters are bound."""
    definition = function.definition
    walker.walked[definition] = walker.walked.get(definition, 0) + 1
    walker.active.append(definition)
    decorators = [] if isinstance(definition, ast.Lambda) else definition.decorator_list
    with walker.in_frame(frame), walker.in_context(decorated(walker.context, decorators)):
        if isinstance(definition, ast.Lambda):
            result = walker.read(definition.body)
            walker.active.pop()
            return result
        walker.run(definition.body)
    walker.active.pop()
    if frame.yielded or id(definition) in function.module.generators:
        entry = choice(function.module, definition, frame.yielded) if frame.yielded else Unknown(function.module, definition)
        if any("contextmanager" in ast.unparse(decorator) for decorator in decorators):
            return entry
        return Repeated(function.module, definition, "generator", entry, entry)
    if not frame.returned:
        return Const(function.module, definition, None)
    return choice(function.module, definition, frame.returned)


def make(walker: Walker, cls: Class, call: Call) -> Value:
    """An object of a class of the project."""
    made = Instance(call.module, call.node, cls, call)
    init = cls.member("__init__")
    if isinstance(init, Function):
        if walker.walked.get(init.definition, 0) >= MAX_MODULES or not walker.may_walk(init.definition):
            made.shallow = True
            walker.emit(Event(Call(call.module, call.node, cls, call.arguments, call.keywords, call.is_open, call.context)))
        else:
            into(walker, init.bound(made), call)
    else:
        _fill_fields(walker, cls, made, call)
        walker.emit(Event(call))
        _callbacks(walker, call)
    return made


def _fill_fields(walker: Walker, cls: Class, made: Instance, call: Call) -> None:
    """The fields of a dataclass or named tuple, in the order they are declared."""
    fields = [
        (statement.target.id, statement.value)
        for entry in reversed(list(cls.ancestors()))
        for statement in entry.definition.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    for place, (name, _) in enumerate(fields):
        value = call.argument(None if call.is_open else place, name)
        if value is not None:
            walker.hold(made, name, value)


# -- libraries ------------------------------------------------------------------------------------------------------------


def _library(walker: Walker, call: Call) -> Value:
    """A call of a library, or of something unknown."""
    special = BUILTINS.get(call.name) if call.name else None
    if special is not None:
        found = special(walker, call)
        if found is not None:
            return found
    chained = _through_layers(walker, call)
    if chained is not None:
        return chained
    _callbacks(walker, call)
    changed_by(walker, call)
    if call.short not in TRIFLES and not call.name.startswith(TRIFLING):
        walker.emit(Event(call))
    return _gotten(walker, call) or call


def _gotten(walker: Walker, call: Call) -> Value | None:
    """`d.get(key, default)` and `d.pop(key)` of a dict whose content is known."""
    if call.method not in ("get", "pop", "setdefault") or not call.arguments or call.receiver is None:
        return None
    owner = plain(call.receiver)
    if not isinstance(owner, Mapping):
        return None
    key = constant(call.arguments[0])
    found = walker.held(owner, ("item", key)) or next((value for entry, value in owner.entries if constant(entry) == key), None)
    if found is not None or call.method == "pop" or len(call.arguments) < 2:
        return found
    if call.method == "setdefault" and isinstance(key, (str, int)):
        walker.hold(owner, ("item", key), call.arguments[1])
        return call.arguments[1]
    return None


def _through_layers(walker: Walker, call: Call) -> Value | None:
    """A container of layers that is called: each layer with what the one before gave."""
    layers = base(call.callee)
    if not isinstance(layers, Call) or layers.short != "Sequential" or layers.is_open or len(call.arguments) != 1:
        return None
    listed: list[Value] = list(layers.arguments)
    if len(listed) == 1:
        inner = plain(listed[0])
        if isinstance(inner, Call) and inner.short == "OrderedDict" and inner.arguments:
            inner = plain(inner.arguments[0])
        if isinstance(inner, Display):
            known = entries(walker, inner, call.node, 64)
            if known is None:
                return None
            listed = [
                plain(entry).items[1] if isinstance(plain(entry), Display) and len(plain(entry).items) == 2 else entry  # type: ignore[attr-defined]
                for entry in known
            ]
    if not listed or any(not isinstance(base(layer), (Call, Instance)) for layer in listed):
        return None
    event = Event(call)
    walker.emit(event)
    value = call.arguments[0]
    for layer in listed:
        value = apply(walker, layer, (value,), {}, call.node)
    return Returned(call, value)


def _callbacks(walker: Walker, call: Call) -> None:
    """Walk the project's functions that are passed to a library as callbacks.

    The library may call them as often as it likes, with any arguments.
    """
    if call.short in KEEPS:
        return
    for given in call.given():
        for option in options(given):
            if isinstance(option, Function) and walker.may_walk(option.definition) and not walker.walked.get(option.definition):
                called_back(walker, option, call)


def called_back(walker: Walker, function: Function, call: Call) -> Value:
    """Walk into a function that a library calls."""
    loop = Loop(call.module, call.node, "callback", iterated=call)
    walker.emit(loop)
    block = Block()
    loop.turns.append(block)
    with walker.within(loop, block):
        inner = Call(call.module, call.node, function, (), parameters_of(function), False, walker.context)
        return into(walker, function, inner)


def sample(walker: Walker, container: Value, node: ast.AST) -> Value | None:
    """One entry of a loader, as the project's own dataset makes it."""
    if isinstance(container, Call) and container.short in LOADERS:
        given = container.argument(0, "dataset")
        dataset = base(given) if given is not None else None
        if isinstance(dataset, Instance):
            getter = dataset.cls.member("__getitem__") or dataset.cls.member("__iter__")
            if isinstance(getter, Function) and walker.may_walk(getter.definition):
                index = Parameter(container.module, container.node, "index", getter.definition)
                inner = Call(container.module, container.node, getter, (index,), {}, False, Context())
                if getter.name == "__iter__":
                    inner.arguments = ()
                value = into(walker, getter.bound(dataset), inner, worker=True)
                return element(walker, value, node) if getter.name == "__iter__" else value
        if isinstance(dataset, Call) and dataset.short == "TensorDataset" and not dataset.is_open:
            columns = tuple(Element(dataset.module, dataset.node, entry) for entry in dataset.arguments)
            return Display(dataset.module, dataset.node, "tuple", columns)
        if isinstance(dataset, (Display, Repeated)):
            return element(walker, dataset, node)
    return None


EXPRESSIONS[ast.Call] = _call
HOOKS["apply"] = apply
SAMPLES["sample"] = sample
