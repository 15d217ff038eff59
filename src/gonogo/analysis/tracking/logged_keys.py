"""Which keys training logs to W&B: each key is present, absent or unknown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import argument, calls, origin, text_of
from gonogo.analysis.python.receivers import called
from gonogo.analysis.python.sources.origins import Part, Source
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.sources.texts import ANY, may_be, texts
from gonogo.analysis.tracking.handed_logs import calls_of_handed
from gonogo.analysis.tracking.wandb_runs import LOGS_BY_ITSELF, TRAINERS, is_init, trainers_report_nothing

# What the client logs of its own when it is asked to watch a model, and beside a plot.
WATCHED = (f"gradients/{ANY}", f"parameters/{ANY}", f"graph_{ANY}")
BESIDE = "_table"
LOGGING = ("wandb.log", "wandb.run.log", "wandb.tensorboard")


@dataclass(frozen=True)
class Logging:
    """One place where something is logged.

    Attributes:
        keys: patterns of the keys.
        in_history: it makes a row; else it is written into the summary alone.
    """

    module: Module
    node: ast.AST
    keys: frozenset[str]
    in_history: bool


@dataclass
class LoggedKeys:
    """Every key that the project logs, as patterns.

    Attributes:
        places: where something is logged.
        unknown: why keys may be logged that no text shows; empty where none are.
    """

    places: list[Logging] = field(default_factory=list)
    unknown: str = ""

    def __post_init__(self) -> None:
        self._history = {key for place in self.places if place.in_history for key in place.keys}
        self._all = {key for place in self.places for key in place.keys}

    def has(self, key: str, in_history: bool = False) -> bool | None:
        """Whether a key is logged: True present, False absent, None unknown.

        Args:
            key: its whole name.
            in_history: as a value of a row; a summary has what was logged last under each key as well.
        """
        patterns = self._history if in_history else self._all
        if key.startswith("_") or key in patterns:
            return True  # names that begin with an underscore are W&B's own
        if self.unknown or any(_covers(pattern, key) for pattern in patterns):
            return None
        return False


def _covers(pattern: str, key: str) -> bool:
    """Return whether a logged key may show under a name.

    The name is the key's own, that of a value inside it, or that of a plot's table.
    """
    if may_be(pattern, key) or may_be(pattern + BESIDE, key):
        return True
    parts = re.split(r"[.]", key)
    return any(may_be(pattern, ".".join(parts[:length])) for length in range(1, len(parts)))


def find_logged_keys(modules: Mapping[str, Module], sources: Sources) -> LoggedKeys:
    """What the project's modules log."""
    is_quiet = trainers_report_nothing(modules.values())
    reason = next((reason for module in modules.values() if (reason := _logs_unseen(module, is_quiet, sources))), "")
    if reason:
        return LoggedKeys(unknown=reason)
    finder = _Finder(sources)
    places = [place for module in modules.values() if module.tree is not None for place in finder.find(module)]
    whole = next((place for place in places if any(not key.strip(ANY) for key in place.keys)), None)
    unknown = f"{whole.module.path}:{getattr(whole.node, 'lineno', 1)} logs what is not known" if whole is not None else ""
    return LoggedKeys(places, unknown)


def _logs_unseen(module: Module, is_quiet: bool, sources: Sources) -> str:
    """Return why something may be logged that no call of the project shows.

    Empty if nothing is. `is_quiet`: see `trainers_report_nothing`.
    """
    if module.tree is None:
        return f"{module.path} can't be read"
    named = (name for name in module.imports.values() if not (is_quiet and TRAINERS.match(name)))
    library = next((name for name in named if LOGS_BY_ITSELF.match(name)), None)
    if library is not None:
        return f"{module.path} uses {library}, which logs by itself"
    if any(constant.value == "wandb" and _is_setting(module, constant) for constant in module.of(ast.Constant)):
        return f"{module.path} tells a library to log to W&B"
    called_nodes = {id(call.func) for call in calls(module)}
    for node in module.of(ast.Name, ast.Attribute, ast.keyword):
        if isinstance(node, ast.keyword):
            if node.arg == "sync_tensorboard":
                return f"{module.path} sends what TensorBoard gets"
        elif id(node) not in called_nodes and origin(module, node) in LOGGING and calls_of_handed(sources.symbols, module, node) is None:
            return f"{module.path} hands `wandb.log` on"
    for call in calls(module):
        name, first = origin(module, call.func), call.args[0] if call.args else None
        if first is None:
            continue
        if (name == "getattr" and origin(module, first) == "wandb") or (name.endswith("import_module") and text_of(first) == "wandb"):
            return f"{module.path} takes names of `wandb` that are not written there"
    return ""


def _is_setting(module: Module, node: ast.AST) -> bool:
    """Return whether the text `wandb` is a value given to something, such as `report_to="wandb"`.

    Otherwise it is the name of a section of the config.
    """
    parent = module.parents.get(node)
    if isinstance(parent, (ast.List, ast.Tuple)):
        node, parent = parent, module.parents.get(parent)
    return isinstance(parent, ast.keyword) and parent.arg in ("report_to", "log_with", "logger", "loggers", "backend", "tracker", "logging")


def _is_flag(module: Module, node: ast.expr) -> bool:
    """Return whether `space.log` says that a search space is logarithmic.

    It does if it is a condition, or is passed to a suggestion.
    """
    parent = module.parents.get(node)
    if isinstance(parent, ast.Call) and qualified_name(parent.func) == "bool":
        parent = module.parents.get(parent)
    if isinstance(parent, ast.keyword):
        call = module.parents.get(parent)
        return isinstance(call, ast.Call) and qualified_name(call.func).rpartition(".")[2].startswith("suggest")
    return isinstance(parent, (ast.If, ast.IfExp)) and parent.test is node


class _Finder:
    """Finds where something is logged, in one module after another."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def find(self, module: Module) -> Iterator[Logging]:
        """Every place of a module that logs or may log."""
        for call in calls(module):
            name = origin(module, call.func)
            if name == "wandb.watch" or (isinstance(call.func, ast.Attribute) and call.func.attr == "watch"):
                yield Logging(module, call, frozenset(WATCHED), in_history=True)
            elif name.endswith("define_metric"):
                yield Logging(module, call, self._texts(module, argument(call, 0, "name")), in_history=True)
            elif name == "wandb.log" or (isinstance(call.func, ast.Attribute) and call.func.attr == "log"):
                yield from self._by_log(module, call, name)
            elif isinstance(call.func, ast.Attribute) and call.func.attr == "update" and self._is_summary(module, call.func.value):
                yield Logging(module, call, self._keys_of_update(module, call), in_history=False)
        called_nodes = {id(call.func) for call in calls(module)}
        for node in module.of(ast.Attribute):
            if (
                node.attr == "log"
                and isinstance(node.ctx, ast.Load)
                and id(node) not in called_nodes
                and not _is_flag(module, node)
                and self._is_run(module, node.value) is not False
            ):
                yield from self._by_handed(module, node)
        for target in module.of(ast.Subscript, ast.Attribute):
            if isinstance(target.ctx, ast.Store) and self._is_summary(module, target.value):
                keys = frozenset({target.attr}) if isinstance(target, ast.Attribute) else self._texts(module, target.slice)
                yield Logging(module, target, keys, in_history=False)

    def _by_handed(self, module: Module, node: ast.expr) -> Iterator[Logging]:
        """What the functions log that are given the one that logs: `train(log=run.log)`."""
        handed = calls_of_handed(self.sources.symbols, module, node)
        if handed is None:
            yield Logging(module, node, frozenset({ANY}), in_history=True)
        for inside, call in handed or ():
            data = argument(call, 0, "data", "row", "metrics")
            keys = texts(self.sources, inside, data, Part.KEY) if data is not None and not isinstance(data, ast.Starred) else {ANY}
            yield Logging(inside, call, frozenset(keys), in_history=True)

    def _by_log(self, module: Module, call: ast.Call, name: str) -> Iterator[Logging]:
        data = argument(call, 0, "data", "row", "metrics")
        if data is None and not any(keyword.arg is None for keyword in call.keywords) and not call.args:
            return
        if name != "wandb.log" and isinstance(call.func, ast.Attribute) and self._is_run(module, call.func.value) is False:
            return
        if called(self.sources.symbols, module, call) is not None:
            return  # a method of the project's own: what it logs is found in its body
        if data is None or isinstance(data, ast.Starred):
            yield Logging(module, call, frozenset({ANY}), in_history=True)
            return
        keys = texts(self.sources, module, data, Part.KEY)
        if isinstance(data, (ast.Constant, ast.JoinedStr)):
            keys = texts(self.sources, module, data)  # `log("name", value)`, as some libraries have it
        yield Logging(module, call, frozenset(keys), in_history=True)

    def _keys_of_update(self, module: Module, call: ast.Call) -> frozenset[str]:
        keys: set[str] = set()
        for entry in call.args:
            keys |= texts(self.sources, module, entry, Part.KEY)
        for keyword in call.keywords:
            keys |= {keyword.arg} if keyword.arg is not None else texts(self.sources, module, keyword.value, Part.KEY)
        return frozenset(keys)

    def _texts(self, module: Module, node: ast.expr | None) -> frozenset[str]:
        return frozenset(texts(self.sources, module, node) if node is not None else {ANY})

    def _is_run(self, module: Module, node: ast.expr) -> bool | None:
        """Whether an expression is a run of W&B, or the library itself; None if it may be."""
        name = origin(module, node)
        if name.partition(".")[0] == "wandb":
            return True
        first = qualified_name(node).partition(".")[0]
        if first in module.imports and self.sources.symbols.has_module(module.imports[first].partition(".")[0]) is None:
            return False
        result = self.sources.follow(module, node)
        answers = {_is_made_run(source) for source in result.sources}
        if True in answers:
            return True
        return None if None in answers or not result.complete else False

    def _is_summary(self, module: Module, node: ast.expr) -> bool:
        """Whether an expression is, or may be, the summary of a run."""
        if isinstance(node, ast.Attribute):
            return node.attr == "summary" and self._is_run(module, node.value) is not False
        if not isinstance(node, ast.Name) or not self._mentions_summary:
            return False
        return any(
            isinstance(source.node, ast.Attribute) and source.node.attr == "summary" and not source.path
            for source in self.sources.follow(module, node).sources
        )

    @property
    def _mentions_summary(self) -> bool:
        return any(".summary" in module.text for module in self.sources.symbols.modules.values())


def _is_made_run(source: Source) -> bool | None:
    """Whether an expression makes a run of W&B; None if that is not told."""
    node, module = source.node, source.module
    if source.path:
        return None
    if isinstance(node, ast.Call):
        if is_init(module, node):
            return True
        name = origin(module, node.func)
        first = name.partition(".")[0]
        return False if first in ("logging", "torch", "numpy", "math", "loguru", "structlog") or name.endswith("getLogger") else None
    if isinstance(node, (ast.Name, ast.Attribute)) and origin(module, node).partition(".")[0] == "wandb":
        return True
    return False if isinstance(node, (ast.Constant, ast.BinOp, ast.Dict, ast.List, ast.UnaryOp, ast.Compare)) else None
