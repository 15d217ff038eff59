"""Functions that a library calls with command-line options, under `click`, `typer` and `fire`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import calls, functions, origin, text_of

#: Decorators of click that say nothing of what the function is called with.
WITHOUT_VALUE = frozenset({"version_option", "help_option", "confirmation_option"})
GIVES_FIRST = frozenset({"pass_context", "pass_obj"})  # what these give comes before the options
MAKES = frozenset({"command", "group"})


@dataclass(frozen=True)
class Parameter:
    """An option of a command: its name, and where it is defined."""

    name: str
    node: ast.AST


@dataclass(frozen=True)
class Command:
    """A function that is called with options.

    Attributes:
        module: the module that it is in.
        function: the function.
        options: those that decorators define; None where the parameters are the options themselves, or not all are known.
        first: how many parameters come before them.
    """

    module: Module
    function: Function
    options: tuple[Parameter, ...] | None
    first: int = 0

    @property
    def parameters(self) -> list[ast.arg]:
        """The parameters that options are given for."""
        signature = self.function.args
        return [*signature.posonlyargs, *signature.args][self.first :] + signature.kwonlyargs

    def without_option(self) -> Iterator[ast.arg]:
        """The parameters that get no value: no option is called so, and they have no default."""
        signature = self.function.args
        by_place = [*signature.posonlyargs, *signature.args]
        count = len(by_place) - len(signature.defaults)
        named = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
        needed = [*by_place[self.first : count], *(arg for arg, default in named if default is None)]
        names = {option.name for option in self.options or ()}
        return (arg for arg in needed if self.options is not None and arg.arg not in names)

    def without_parameter(self) -> Iterator[Parameter]:
        """The options that the function does not take."""
        names = {arg.arg for arg in self.parameters}
        takes_all = self.function.args.kwarg is not None
        return (option for option in self.options or () if not takes_all and option.name not in names)

    def never_read(self) -> Iterator[Parameter]:
        """The options whose parameter the body never reads."""
        body = [node for statement in self.function.body for node in ast.walk(statement)]
        read = {node.id for node in body if isinstance(node, ast.Name)}
        if _is_empty(self.function) or read & {"locals", "vars", "eval", "exec"}:
            return
        # A callback may do all there is to do with a value.
        called = {name for node in ast.walk(self.function.args) if isinstance(node, ast.Call) for name in _called_back(node)}
        hooked = {option.name for option in self.options or () if isinstance(option.node, ast.Call) and any(_called_back(option.node))}
        for arg in self.parameters:
            if arg.arg not in read | hooked and not arg.arg.startswith("_") and not called:
                yield Parameter(arg.arg, arg)


def _called_back(call: ast.Call) -> Iterator[str]:
    """The keywords of an option by which it does something of its own."""
    return (keyword.arg for keyword in call.keywords if keyword.arg in ("callback", "is_eager"))


def _is_empty(function: Function) -> bool:
    """Whether a function only says what it would do."""
    return all(
        isinstance(entry, (ast.Pass, ast.Raise)) or (isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant))
        for entry in function.body
    )


def commands(modules: Iterable[Module]) -> Iterator[Command]:
    """The commands of a project."""
    for module in modules:
        if "click" in module.text:
            yield from _of_click(module)
        if "fire" in module.text or "typer" in module.text:
            yield from _of_signatures(module)


def _of_click(module: Module) -> Iterator[Command]:
    if not any(dotted.partition(".")[0] == "click" for dotted in module.imports.values()):
        return
    for function in functions(module):
        found = [_decorator(module, entry) for entry in function.decorator_list]
        if any(kind in MAKES for kind, _ in found):
            yield _command(module, function, found)


def _decorator(module: Module, node: ast.expr) -> tuple[str, ast.Call | None]:
    """Return what a decorator does, by the last part of its name in click, and its call.

    The name is empty where it is something else.
    """
    call = node if isinstance(node, ast.Call) else None
    callee = node.func if isinstance(node, ast.Call) else node
    dotted = origin(module, callee)
    if dotted.startswith("click."):
        return dotted.rpartition(".")[2], call
    if isinstance(callee, ast.Attribute) and callee.attr in MAKES and isinstance(callee.value, ast.Name):
        return callee.attr, call  # of a group
    return "", call


def _command(module: Module, function: Function, decorators: list[tuple[str, ast.Call | None]]) -> Command:
    options: list[Parameter] = []
    first, is_known = 0, True
    for kind, call in decorators:
        if kind in GIVES_FIRST:
            first += 1
        elif kind in ("option", "argument") and call is not None:
            option = _option(call, kind == "option")
            is_known = is_known and option is not None
            if option is not None and not _is_hidden(call):
                options.append(option)
        elif kind in MAKES:
            # A class of one's own may call the function with what it likes, and the command may be given more options.
            is_known = is_known and (call is None or not any(keyword.arg in (None, "cls", "params") for keyword in call.keywords))
        elif kind not in WITHOUT_VALUE:
            is_known = False
    return Command(module, function, tuple(options) if is_known else None, first)


def _is_hidden(call: ast.Call) -> bool:
    """Whether the function is not given the value."""
    return any(keyword.arg == "expose_value" for keyword in call.keywords)


def _option(call: ast.Call, has_dashes: bool) -> Parameter | None:
    """Return an option under the name that click gives it.

    It is the word without dashes, otherwise the first word with two dashes, otherwise the first word.
    """
    words = [word for word in map(text_of, call.args) if word]
    if not words or len(words) < len(call.args) or any(keyword.arg is None for keyword in call.keywords):
        return None
    plain = [word for word in words if word.isidentifier()]
    if has_dashes and plain:
        return Parameter(plain[0], call)
    firsts = [word.split(";" if word.startswith("/") else "/", 1)[0].rstrip() for word in words]
    firsts.sort(key=lambda word: not word.startswith("--"))
    name = firsts[0].lstrip("-").replace("-", "_").lower()
    return Parameter(name, call) if name.isidentifier() else None


def _of_signatures(module: Module) -> Iterator[Command]:
    """Yield functions whose parameters are the command-line options.

    They are under `fire.Fire(main)`, `typer.run(main)` or `@app.command()` of a `typer.Typer()`.
    """
    roots = {dotted.partition(".")[0] for dotted in module.imports.values()}
    named = {function.name: function for function in functions(module) if function in (module.tree.body if module.tree else ())}
    for call in calls(module):
        target = call.args[0] if call.args else None
        if origin(module, call.func) in ("fire.Fire", "typer.run") and isinstance(target, ast.Name) and target.id in named:
            yield Command(module, named[target.id], None)
    apps = {
        name
        for name, values in module.assigned.items()
        if any(isinstance(value, ast.Call) and origin(module, value.func) == "typer.Typer" for value in values)
    }
    for function in functions(module) if "typer" in roots else ():
        for entry in function.decorator_list:
            callee = entry.func if isinstance(entry, ast.Call) else entry
            owner = callee.value if isinstance(callee, ast.Attribute) and callee.attr == "command" else None
            if isinstance(owner, ast.Name) and owner.id in apps:
                yield Command(module, function, None)
