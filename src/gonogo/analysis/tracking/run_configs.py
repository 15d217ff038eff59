"""The config that training gives to a W&B run, and the keys that evaluation reads of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gonogo.analysis.interpreter.base import Value
from gonogo.analysis.interpreter.memory import Diverged
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values import mapping as mappings
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, last_name, text_of
from gonogo.analysis.python.sources.origins import Path
from gonogo.analysis.tracking.asked_keys import RUN, AskedKeys

GETTERS = frozenset({"get", "pop"})
UPDATES = frozenset({"wandb.config.update", "wandb.init().config.update", "wandb.run.config.update"})
# What may bring keys to a run's config that are not given to it here.
OTHER_WAYS = frozenset({"sweep", "agent", "use_artifact", "setdefaults"})
LEAVING_OUT = frozenset({"config_exclude_keys", "config_include_keys"})


@dataclass(frozen=True)
class AskedSetting:
    """A setting that evaluation reads of a run's config.

    Attributes:
        path: its keys, outermost first.
        default: what evaluation goes on with where it is not there; None where it ends in an error.
    """

    module: Module
    node: ast.expr
    path: tuple[str, ...]
    default: ast.expr | None


def asked_settings(asked: AskedKeys) -> Iterator[AskedSetting]:
    """Every setting that is asked for in so many words, and for which nothing else is taken."""
    module = asked.module
    stored = {text_of(node.slice) for node in module.of(ast.Subscript) if isinstance(node.ctx, ast.Store)}
    for node in module.of(ast.Subscript, ast.Call):
        owner, key, default = _taken(node)
        path = _path(asked, owner) if owner is not None and key is not None else None
        if path is None or key is None or key in stored or _is_provided_for(asked, node, key):
            continue
        if default is None or isinstance(default, (ast.Constant, ast.UnaryOp)):  # of an empty mapping, the next step speaks
            yield AskedSetting(module, node, (*path, key), default)


def _taken(node: ast.Subscript | ast.Call) -> tuple[ast.expr | None, str | None, ast.expr | None]:
    """What a key is taken of, the key, and the default."""
    if isinstance(node, ast.Subscript):
        return (node.value, text_of(node.slice), None) if isinstance(node.ctx, ast.Load) else (None, None, None)
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in GETTERS or not node.args or node.keywords:
        return None, None, None
    nothing = ast.Constant(None) if node.func.attr == "get" else None
    return node.func.value, text_of(node.args[0]), node.args[1] if len(node.args) > 1 else nothing


def _path(asked: AskedKeys, owner: ast.expr) -> tuple[str, ...] | None:
    """Return where an expression stands in a run's config.

    None if it is not surely there, or may be something else.
    """
    result = asked.sources.follow(asked.module, owner)
    found: set[tuple[str, ...]] = set()
    for source in result.sources:
        node = source.node
        if isinstance(node, ast.Attribute) and node.attr == "config" and source.module is asked.module and asked.kind(node.value) == RUN:
            found.add(_texts(source.path) or () if source.path else ())
            if source.path and _texts(source.path) is None:
                return None
        elif not _is_empty(node):
            return None
    return found.pop() if result.complete and len(found) == 1 else None


def _texts(path: Path) -> tuple[str, ...] | None:
    return tuple(step for step in path if isinstance(step, str)) if all(isinstance(step, str) for step in path) else None


def _is_empty(node: ast.expr) -> bool:
    return (isinstance(node, ast.Dict) and not node.keys) or (isinstance(node, (ast.List, ast.Tuple)) and not node.elts)


def _is_provided_for(asked: AskedKeys, node: ast.expr, key: str) -> bool:
    """Whether evaluation takes something else where the setting is not there."""
    inside: ast.AST = node
    for parent in ancestors(asked.module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            break
        if isinstance(parent, (ast.IfExp, ast.Try)) or (isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or)):
            return True
        if isinstance(parent, ast.Call) and inside in parent.args and _taken(parent)[0] is not None:
            return True  # it is itself a default
        if isinstance(parent, ast.If) and any(text_of(entry) == key for entry in ast.walk(parent.test)):
            return True
        inside = parent
    return _is_tested(asked.module, node)


def _is_tested(module: Module, node: ast.expr) -> bool:
    """Return whether a value is kept in a variable that a condition tests.

    Then another place may be looked at.
    """
    parent = module.parents.get(node)
    names = {target.id for target in parent.targets if isinstance(target, ast.Name)} if isinstance(parent, ast.Assign) else set()
    return any(
        last_name(entry) in names
        for test in module.of(ast.If, ast.IfExp, ast.BoolOp)
        for entry in ast.walk(test.values[0] if isinstance(test, ast.BoolOp) else test.test)
        if isinstance(entry, ast.Name)
    )


class RunConfig:
    """The config that one run gives to W&B.

    Args:
        parts: the mappings that it is made of.
        stored: keys that the code sets one by one.
    """

    def __init__(self, parts: Sequence[Value], stored: frozenset[str]) -> None:
        self._parts = parts
        self._stored = stored

    def has(self, path: tuple[str, ...]) -> bool | None:
        """Whether a setting is there; None where that is not known."""
        if path[0] in self._stored:
            return None
        try:
            answers = [_has(part, path) for part in self._parts]
        except Diverged:
            return None  # deep inside it is not the same for all runs
        return True if True in answers else None if None in answers else False


def _has(value: Value, path: tuple[str, ...]) -> bool | None:
    for key in path:
        if not isinstance(value, mappings.Mapping):
            return None
        found = value.items.look(key)
        if found is ABSENT:
            return None if value.open else False
        if key in value.maybe:
            return None
        value = found
    return True


def run_config(trace: Trace, modules: Mapping[str, Module]) -> RunConfig | None:
    """What a run gives to W&B as its config; None where that is not known for certain."""
    begun = [call for call in trace.calls if call.name == "wandb.init" and not call.searching]
    if not trace.complete or not begun or any(call.open_keywords or call.arguments or LEAVING_OUT & call.keywords.keys() for call in begun):
        return None
    stored = _stored(modules)
    if stored is None:
        return None
    parts = [call.keywords["config"] for call in begun if "config" in call.keywords]
    updates = [call for call in trace.calls if call.name in UPDATES]
    parts += [value for call in updates for value in call.arguments]
    known = frozenset(name for call in updates for name in call.keywords)
    if any(call.open_keywords for call in updates) or not all(isinstance(part, mappings.Mapping) for part in parts):
        return None
    return RunConfig(parts, stored | known)


def _stored(modules: Mapping[str, Module]) -> frozenset[str] | None:
    """Return the keys that code sets one by one in something called `config`.

    None where keys may be set that do not appear in the code.
    """
    found: set[str] = set()
    for module in modules.values():
        if "wandb" not in module.text:
            continue
        if any(last_name(call.func) in OTHER_WAYS for call in calls(module)):
            return None
        for node in module.of(ast.Subscript, ast.Attribute):
            if not isinstance(node.ctx, ast.Store) or last_name(node.value) != "config":
                continue
            key = node.attr if isinstance(node, ast.Attribute) else text_of(node.slice)
            if key is None:
                return None
            found.add(key)
    return frozenset(found)
