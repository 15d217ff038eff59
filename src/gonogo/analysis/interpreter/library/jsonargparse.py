"""`jsonargparse`: options in namespaces, by names with dots, by classes and by functions."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.base import FEW, UNKNOWN, AccessKind, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.memory import Field
from gonogo.analysis.interpreter.sentinels import ABSENT, NO_DEFAULT, NoDefault
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.fields import class_of
from gonogo.analysis.interpreter.values.function import Function
from gonogo.analysis.interpreter.values.objects import Class
from gonogo.analysis.interpreter.values.options import Options, Parsed
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.section import Section
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.varied import settled

PARSES = frozenset({"parse_args", "parse_known_args", "parse_path", "parse_object", "parse_string", "parse_env", "get_defaults"})
ADDS = frozenset({"add_argument", "add_class_arguments", "add_dataclass_arguments", "add_function_arguments", "add_subclass_arguments"})
USES = frozenset({"instantiate_classes", "instantiate", "save", "dump", "validate", "check_config", "strip_unknown"})
HARMLESS = frozenset({"set_defaults", "link_arguments", "print_help", "format_help", "print_usage", "error", "get_config_files"})
GROUPS = frozenset({"add_argument_group", "add_mutually_exclusive_group"})
MAX_DEPTH = 6

LIBRARY.reads_options("jsonargparse")


class Nested(Section):
    """What is parsed: a namespace that holds namespaces."""

    __slots__ = ()
    NATIVE = frozenset(
        {"as_dict", "as_flat", "clone", "get", "get_sorted_keys", "get_value_and_parent", "items", "keys", "pop", "update", "values"}
    ) | frozenset(dir(argparse.Namespace))
    LACKS = "no command-line option is called `{title}{{name}}`"
    DEFINE = "define it: `add_argument('--{title}{{name}}', …)`"
    nests = False

    def is_instance(self, walk: Walk, names: frozenset[str], at: ast.AST) -> bool | None:
        """It is no dict."""
        return False if names == {"dict"} else None

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """`cfg["model.lr"]`."""
        text = key.constant()
        first, _, rest = text.partition(".") if isinstance(text, str) else ("", "", "")
        if not rest:
            return super().item(walk, key, at)
        inner = settled(Options.member(self, walk, first, at))
        return inner.item(walk, Scalar(rest), at) if isinstance(inner, Nested) else UNKNOWN

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """`"model.lr" in cfg`, of which only names without dots are told."""
        name = item.constant()
        return super().contains(walk, item, at) if isinstance(name, str) and "." not in name else None

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method; `as_dict` and others take all of it."""
        if name == "get" and "." in str(given.get(0, "key").constant()):
            return UNKNOWN
        if name == "clone":
            return self.clone(walk)
        if name in ("as_dict", "as_flat", "get_sorted_keys"):
            self.escape(walk)
            return UNKNOWN
        return super().call_method(walk, name, given, at)


class NestedParser(Value):
    """A parser; None for its options where not all of them are known."""

    __slots__ = ("_options",)
    has_identity = True
    choices = FEW
    options = Field[tuple[tuple[str, Value | None, Site], ...] | None]()

    def __init__(self) -> None:
        self._options: object = ()

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method; after one that is not modelled, its options are not known."""
        if name not in PARSES | ADDS | USES | HARMLESS | GROUPS:
            self.escape(walk)
            return UNKNOWN
        return BoundMethod(self, name)

    def escape(self, walk: Walk, depth: int = 0) -> None:
        """Other code may add options."""
        walk.memory.set(self, "options", None)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """Add options, or parse them."""
        if name in GROUPS:
            return self
        if name in ADDS:
            added = list(_added(name, given, walk.state.site(at)))
            if not added or self.options is None or walk.state.uncertain:
                self.escape(walk)
            else:
                walk.memory.set(self, "options", (*self.options, *added))
        elif name in PARSES:
            return self._parsed(walk, name == "parse_known_args")
        elif name in USES:
            for value in given.values():
                value.escape(walk)
        return UNKNOWN

    def _parsed(self, walk: Walk, leaves_rest: bool) -> Value:
        if self.options is None:
            return UNKNOWN
        result = Nested()
        for key, inside, _ in self.options:
            _put(walk, result, key, UNKNOWN if inside is None else _of_signature(walk, inside))
        plain = {key: site for key, inside, site in self.options if inside is None and "." not in key}
        walk.state.record(Parsed(result, plain))
        return Sequence([result, UNKNOWN], kind="tuple") if leaves_rest else result


def _put(walk: Walk, owner: Nested, key: str, value: Value) -> None:
    """Put something under a name with dots."""
    first, _, rest = key.partition(".")
    if not rest:
        there = settled(owner.attributes.look(first))
        if isinstance(there, Nested) and isinstance(value, Nested):
            for name, inner in value.attributes.pairs():
                there.put(walk, name, inner)
            walk.memory.set(there, "open", there.open or value.open)
        else:
            owner.put(walk, first, value)
        return
    there = settled(owner.attributes.look(first)) if owner.attributes.look(first) is not ABSENT else UNKNOWN
    inner = there if isinstance(there, Nested) else Nested()
    if inner is not there:
        owner.put(walk, first, inner)
    _put(walk, inner, rest, value)


def _added(name: str, given: Arguments, site: Site) -> Iterator[tuple[str, Value | None, Site]]:
    """Yield what a call adds: a name, and the class or function under it; nothing where it is not known."""
    if given.open:
        return
    if name == "add_argument":
        names = [value.constant() for value in given.positional]
        dest = given.keywords["dest"].constant() if "dest" in given.keywords else None
        if not names or not all(isinstance(each, str) for each in names) or not isinstance(dest, (str, type(None))):
            return
        action = given.keywords.get("action")
        if action is not None and not isinstance(action.constant(), str) and "ActionConfigFile" not in (action.outside_name() or ""):
            return
        cls = class_of(given.keywords["type"]) if "type" in given.keywords else None
        yield _dest([str(each) for each in names], dest), cls, site
        return
    target, key = settled(given.get(0, "theclass")), given.get(1, "nested_key").constant()
    if isinstance(key, str) and name != "add_subclass_arguments":
        yield key, target, site
    elif isinstance(key, str):
        yield key, UNKNOWN, site


def _dest(names: list[str], dest: str | None) -> str:
    """The name that `argparse` gives an option, with its dots."""
    if dest is not None:
        return dest
    long = next((name for name in names if name.startswith("--")), names[0])
    return long.lstrip("-").replace("-", "_")


def _of_signature(walk: Walk, target: Value, depth: int = 0) -> Value:
    """The options that the parameters are; others may be there where not all are known."""
    made = Nested()
    names = _parameters(target)
    if names is None or depth > MAX_DEPTH:
        walk.memory.set(made, "open", True)
    for name in names or ():
        made.put(walk, name, UNKNOWN)
    return made


def _parameters(target: Value) -> list[str] | None:
    """The names of the parameters; None where there may be others."""
    if isinstance(target, Class) and target.is_dataclass:
        return [name for _, _, name in target.fields()] if target.is_record and not isinstance(target.find("__init__"), Function) else None
    function = target.find("__init__") if isinstance(target, Class) and not target.foreign else target
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda) or function.node.decorator_list:
        return None
    signature = function.node.args
    if signature.kwarg is not None or signature.vararg is not None:
        return None  # those that it hands on are looked for in the text
    names = [argument.arg for argument in (*signature.posonlyargs, *signature.args, *signature.kwonlyargs)]
    return names[1:] if isinstance(target, Class) else names


@LIBRARY.call("jsonargparse.ArgumentParser")
def parser(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`ArgumentParser(…)`."""
    return NestedParser() if not given.open and "parents" not in given.keywords else UNKNOWN


@LIBRARY.call("jsonargparse.CLI", "jsonargparse.auto_cli")
def cli(walk: Walk, given: Arguments, at: ast.AST) -> Value:
    """`CLI(main)` calls the function with what the command line says."""
    target = settled(given.get(0, "components"))
    return target.call(walk, Arguments(open=True), at) if isinstance(target, Function) and not given.open else UNKNOWN
