"""Which keys evaluation asks W&B for, where it surely asks a run's history or summary."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.python.handlers import ends, takes
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, enclosing_function, origin, text_of
from gonogo.analysis.python.sources.origins import Part, Source
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.sources.texts import ANY, texts

API, RUNS, RUN, SUMMARY, HISTORY = "api", "runs", "run", "summary", "history"
HISTORIES = frozenset({"history", "scan_history"})
# Methods of a table whose result has the same columns.
SAME_TABLE = frozenset(
    {"copy", "dropna", "sort_values", "sort_index", "head", "tail", "fillna", "ffill", "bfill", "drop_duplicates", "query", "sample"}
)
# Methods of a table that name columns, by the keyword and its place.
BY_COLUMN = {"dropna": ("subset", None), "sort_values": ("by", 0), "set_index": ("keys", 0), "drop_duplicates": ("subset", 0)}
PLOT_COLUMNS = ("x", "y", "hue")


@dataclass(frozen=True)
class AskedKey:
    """A key that evaluation asks for.

    Attributes:
        node: where.
        written: where its name stands; the same place, or that of a list of names.
        key: its whole name.
        how: by `keys` (given to the server, which leaves out every row that lacks one), column (of the table of the history) or summary.
        fallback: what evaluation goes on with where the key is missing: nothing (it ends in an error), a number, or something that shows
            that the value is not there (None, NaN).
        instead_of: keys that are asked for before: this one only counts where they are missing.
        otherwise: keys that are asked for where this one is missing.
    """

    module: Module
    node: ast.AST
    written: ast.AST
    key: str
    how: str
    fallback: str = "nothing"
    instead_of: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()


class AskedKeys:
    """Reads the evaluation's requests off its module.

    Args:
        sources: follows expressions.
        module: of the evaluation.
    """

    def __init__(self, sources: Sources, module: Module) -> None:
        self.sources = sources
        self.module = module
        self._kinds: dict[Source, str] = {}
        self._open: set[Source] = set()

    def find(self, followed: Iterable[tuple[ast.AST, str]] = ()) -> Iterator[AskedKey]:
        """Every key that is asked for in so many words, and that the code does not first look for.

        Args:
            followed: where else a key was surely seen to be asked of a summary.
        """
        known = self._own_columns() | self._looked_for()
        every = list(self._every())
        seen = {asked.node for asked in every}
        more = [AskedKey(self.module, node, node, key, SUMMARY) for node, key in followed if node not in seen]
        for asked in [*every, *more]:
            if asked.how == "keys" or (asked.key not in known and not self._is_provided_for(asked)):
                yield asked

    def keys_of_request(self, call: ast.Call) -> list[str]:
        """Return the keys that a call asks the rows of a run's history to hold, all at once.

        Empty where they are not known for certain.
        """
        listed = argument(call, None, "keys")
        if listed is None or not isinstance(call.func, ast.Attribute) or call.func.attr not in HISTORIES:
            return []
        if argument(call, None, "stream") is not None or self.kind(call.func.value) != RUN:
            return []
        lists = self.sources.follow(self.module, listed)
        if not lists.complete or len(lists.sources) != 1 or not isinstance(lists.sources[0].node, (ast.List, ast.Tuple)):
            return []  # of several lists, each may be asked for by itself
        written = [text_of(entry) for entry in lists.sources[0].node.elts]
        keys = [key for key, _ in self._listed(listed, call)]
        return keys if None not in written and set(keys) == set(written) and not lists.sources[0].path else []

    def _every(self) -> Iterator[AskedKey]:
        for call in calls(self.module):
            if isinstance(call.func, ast.Attribute):
                yield from self._by_call(call, call.func)
        for node in self.module.of(ast.Subscript):
            if isinstance(node.ctx, ast.Load):
                kind = self.kind(node.value)
                if kind in (SUMMARY, HISTORY):
                    for key, written in self._keys_of_subscript(node):
                        yield self._asked(node, written, key, kind)

    def _asked(self, node: ast.AST, written: ast.AST, key: str, kind: str, fallback: str = "nothing") -> AskedKey:
        before = tuple(self._asked_before(node, kind))
        after = tuple(self._asked_after(node, kind))
        return AskedKey(self.module, node, written, key, SUMMARY if kind == SUMMARY else "column", fallback, before, after)

    def _by_call(self, call: ast.Call, function: ast.Attribute) -> Iterator[AskedKey]:
        if function.attr in HISTORIES and argument(call, None, "keys") is not None and argument(call, None, "stream") is None:
            if self.kind(function.value) == RUN:
                for key, node in self._listed(argument(call, None, "keys"), call):
                    yield AskedKey(self.module, call, node, key, "keys")
        elif function.attr in ("get", "pop") and call.args:
            kind = self.kind(function.value)
            if kind in (SUMMARY, HISTORY):
                for key in self._exact(call.args[0]):
                    yield self._asked(call, call, key, kind, _fallback(call))
        elif function.attr in BY_COLUMN:
            keyword, place = BY_COLUMN[function.attr]
            if argument(call, place, keyword) is not None and self.kind(function.value) == HISTORY:
                for key, node in self._listed(argument(call, place, keyword), call):
                    yield self._asked(call, node, key, HISTORY)
        elif origin(self.module, function).startswith("seaborn."):
            data = argument(call, 0 if call.args else None, "data")
            if data is not None and self.kind(data) == HISTORY:
                for name in PLOT_COLUMNS:
                    for key, node in self._listed(argument(call, None, name), call):
                        yield self._asked(call, node, key, HISTORY)

    def _asked_before(self, asked: ast.AST, kind: str) -> Iterator[str]:
        """Yield the keys of the `get` calls for which this request is the default.

        Also those that tests have not found before it.
        """
        inner = asked
        for outer in ancestors(self.module, asked):
            before: list[ast.AST] = []
            if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return
            if isinstance(outer, ast.Call) and inner in outer.args[1:]:
                before = [outer]
            elif isinstance(outer, ast.BoolOp) and isinstance(outer.op, ast.Or) and inner in outer.values:
                before = [node for part in outer.values[: outer.values.index(inner)] for node in ast.walk(part)]
            elif isinstance(outer, (ast.If, ast.IfExp)) and inner in (outer.orelse if isinstance(outer, ast.If) else [outer.orelse]):
                before = [outer.test]
            for node in before:
                yield from self._keys_of(node, kind)
            inner = outer

    def _asked_after(self, asked: ast.AST, kind: str) -> Iterator[str]:
        """The keys of the `get` calls that are the default of this one, or stand behind it in `… or …`."""
        behind = [*asked.args[1:], *(entry.value for entry in asked.keywords)] if isinstance(asked, ast.Call) else []
        parent = self.module.parents.get(asked)
        if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or) and isinstance(asked, ast.expr):
            behind += parent.values[parent.values.index(asked) + 1 :]
        for entry in behind:
            for node in ast.walk(entry):
                if isinstance(node, ast.Call):
                    yield from self._keys_of(node, kind)
                elif isinstance(node, ast.Subscript) and self.kind(node.value) == kind:
                    yield from self._exact(node.slice)

    def _keys_of(self, node: ast.AST, kind: str) -> Iterator[str]:
        """The keys of `owner.get(key, …)` and of `key in owner`."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "get" and node.args and self.kind(node.func.value) == kind:
                yield from self._exact(node.args[0])
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In) and self.kind(node.comparators[0]) in (kind, RUN):
            yield from self._exact(node.left)

    # -- what is asked ------------------------------------------------------------------------------------------------

    def kind(self, node: ast.expr, *path: str | int | Part) -> str:
        """Return what an expression surely is: the API, a run, its summary, its history.

        Empty where that is not sure.
        """
        source = Source(self.module, node, path)
        if source not in self._kinds:
            if source in self._open:
                return ""
            self._open.add(source)
            self._kinds[source] = self._kind(source)
            self._open.discard(source)
        return self._kinds[source]

    def _kind(self, source: Source) -> str:
        result = self.sources.follow(source.module, source.node, *source.path)
        kinds = {
            self._kind_of(entry)
            for entry in result.sources
            if entry.module is self.module and not (isinstance(entry.node, ast.Constant) and entry.node.value is None)
        }
        elsewhere = any(entry.module is not self.module for entry in result.sources)
        return kinds.pop() if len(kinds) == 1 and result.complete and not elsewhere else ""

    def _kind_of(self, source: Source) -> str:
        node, path = source.node, source.path
        if isinstance(node, ast.Attribute) and node.attr in ("summary", "_json_dict") and not path:
            owner = self.kind(node.value)
            return SUMMARY if owner == (RUN if node.attr == "summary" else SUMMARY) else ""
        if not isinstance(node, ast.Call):
            return ""
        if origin(self.module, node.func) in ("wandb.Api", "wandb.apis.public.Api"):
            return API if not path else ""
        if origin(self.module, node.func) in ("pandas.DataFrame", "pandas.DataFrame.from_records") and len(node.args) == 1 and not path:
            return HISTORY if HISTORY in (self.kind(node.args[0]), self.kind(node.args[0], Part.ENTRY)) else ""
        if isinstance(node.func, ast.Attribute):
            return self._kind_of_method(node, node.func, path)
        return ""

    def _kind_of_method(self, call: ast.Call, function: ast.Attribute, path: tuple[str | int | Part, ...]) -> str:
        owner, method = self.kind(function.value), function.attr
        if owner == API and method == "run":
            return RUN if not path else ""
        if owner == API and method == "runs":
            return RUN if len(path) == 1 and not isinstance(path[0], str) else RUNS if not path else ""
        if owner == RUN and method in HISTORIES and argument(call, None, "stream") is None:
            return HISTORY if not path or (method == "scan_history" and path == (Part.ENTRY,)) else ""
        return HISTORY if owner == HISTORY and method in SAME_TABLE and not path else ""

    def _exact(self, node: ast.expr | None) -> list[str]:
        """The texts of an expression if all of them are known."""
        if node is None:
            return []
        known = texts(self.sources, self.module, node)
        return sorted(known) if known and not any(ANY in text for text in known) else []

    def keys_of_name(self, name: ast.Name) -> list[tuple[str, ast.AST]]:
        """The texts that a variable is, or takes one after another, each with its place."""
        return self._listed(name, name) or self._texts_of_loop(name, name)

    def _keys_of_subscript(self, node: ast.Subscript) -> list[tuple[str, ast.AST]]:
        key = node.slice
        if isinstance(key, ast.Constant):
            return [(key.value, node)] if isinstance(key.value, str) else []
        if isinstance(key, ast.List):
            return self._listed(key, node)
        return self.keys_of_name(key) if isinstance(key, ast.Name) else []

    def _texts_of_loop(self, name: ast.Name, at: ast.AST) -> list[tuple[str, ast.AST]]:
        """Return the texts that a variable takes one after another.

        The variable is bound here, once, and to nothing that skips some of them.
        """
        place = self.sources.symbols.scopes(self.module).lookup(name.id, name)
        binding = place[1][0] if place is not None and len(place[1]) == 1 else None
        parent = self.module.parents.get(binding) if isinstance(binding, ast.Name) else None
        if isinstance(parent, (ast.For, ast.comprehension)) and parent.target is binding:
            sequences = self.sources.follow(self.module, parent.iter)
            if all(isinstance(source.node, (ast.List, ast.Tuple, ast.Set)) and not source.path for source in sequences.sources):
                return self._listed(parent.iter, at)
        if isinstance(parent, ast.Assign) and isinstance(parent.value, ast.Constant):
            return self._listed(parent.value, at)
        return []

    def _listed(self, node: ast.expr | None, at: ast.AST) -> list[tuple[str, ast.AST]]:
        """The texts of a literal list or of one text, each with its place."""
        if node is None:
            return []
        if isinstance(node, ast.Constant):
            return [(node.value, node)] if isinstance(node.value, str) else []
        result = self.sources.follow(self.module, node, Part.ENTRY)
        if not result.complete or any(source.path for source in result.sources):
            return []
        return [
            (source.node.value, source.node if source.module is self.module and hasattr(source.node, "lineno") else at)
            for source in result.sources
            if isinstance(source.node, ast.Constant) and isinstance(source.node.value, str)
        ]

    # -- what the code does about a missing key -----------------------------------------------------------------------

    def _own_columns(self) -> set[str]:
        """Names under which evaluation itself stores something, or may rename something to."""
        names = {"index"}
        for node in self.module.of(ast.Subscript):
            if isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                names.add(node.slice.value)
        for call in calls(self.module):
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("rename", "assign", "melt", "insert"):
                names |= {keyword.arg for keyword in call.keywords if keyword.arg}
                names |= {entry.value for entry in ast.walk(call) if isinstance(entry, ast.Constant) and isinstance(entry.value, str)}
        return names

    def _looked_for(self) -> set[str]:
        """Return the texts in any test, wherever it stands.

        A function that asks for a key may be called only where there is one.
        """
        tests: list[ast.AST] = [node.test for node in self.module.of(ast.If, ast.IfExp, ast.While)]
        tests += [node for node in self.module.of(ast.Compare) if any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops)]
        tests += [test for node in self.module.of(ast.comprehension) for test in node.ifs]
        tests += [
            call
            for call in calls(self.module)
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("issubset", "issuperset", "intersection", "difference")
        ]
        return {node.value for test in tests for node in ast.walk(test) if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    def _is_provided_for(self, asked: AskedKey) -> bool:
        """Whether the code looks for the key, or survives that it is missing."""
        names = _names_for(asked.key, asked.node)
        for parent in ancestors(self.module, asked.node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                break
            if isinstance(parent, (ast.If, ast.IfExp, ast.While)) and _mentions(parent.test, names):
                return True
            if isinstance(parent, ast.BoolOp) and any(_mentions(part, names) and isinstance(part, ast.Compare) for part in parent.values):
                return True
            if isinstance(parent, ast.comprehension) and any(_mentions(test, names) for test in parent.ifs):
                return True
            if isinstance(parent, (ast.ListComp, ast.DictComp, ast.GeneratorExp, ast.SetComp)) and any(
                _mentions(test, names) for generator in parent.generators for test in generator.ifs
            ):
                return True
            if isinstance(parent, ast.Try) and any(_swallows(self.module, handler) for handler in parent.handlers):
                return True
        return self._leaves_before(asked, names)

    def _leaves_before(self, asked: AskedKey, names: set[str]) -> bool:
        """Whether a test above has sent runs without the key another way."""
        function = enclosing_function(self.module, asked.node)
        line = getattr(asked.node, "lineno", 0)
        return any(
            isinstance(node, ast.If)
            and node.lineno < line
            and _mentions(node.test, names)
            and any(isinstance(inner, (ast.Return, ast.Continue, ast.Break, ast.Assign)) for inner in ast.walk(node))
            for node in (ast.walk(function) if function is not None else self.module.nodes)
        )


def _names_for(key: str, node: ast.AST) -> set[str]:
    """The key, and the variables that hold it where it is asked for."""
    names = {key}
    for entry in ast.walk(node):
        if isinstance(entry, ast.Subscript) and isinstance(entry.slice, ast.Name):
            names.add(entry.slice.id)
        elif isinstance(entry, ast.Call) and entry.args and isinstance(entry.args[0], ast.Name):
            names.add(entry.args[0].id)
    return names


def _mentions(test: ast.expr, names: set[str]) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id in names) or (isinstance(node, ast.Constant) and node.value in names)
        for node in ast.walk(test)
    )


def _swallows(module: Module, handler: ast.ExceptHandler) -> bool:
    kinds = " ".join(ast.unparse(handler.type).split()) if handler.type is not None else ""
    return (takes(handler) or bool(re.search(r"KeyError|LookupError", kinds))) and not ends(module, handler)


def _fallback(call: ast.Call) -> str:
    """What `get(key, default)` goes on with: a number is taken for a measurement, anything else shows."""
    default = call.args[1] if len(call.args) > 1 else argument(call, None, "default")
    if default is None and isinstance(call.func, ast.Attribute) and call.func.attr == "pop":
        return "nothing"
    if isinstance(default, ast.Call) and isinstance(default.func, ast.Attribute) and default.func.attr == "get":
        return _fallback(default)
    if isinstance(default, ast.UnaryOp):
        default = default.operand
    is_number = isinstance(default, ast.Constant) and isinstance(default.value, (int, float)) and not isinstance(default.value, bool)
    return "number" if is_number else "shown"


def unique(asked: Iterable[AskedKey]) -> list[AskedKey]:
    """Each key once in each way of asking, the first place of each."""
    first: dict[tuple[str, str], AskedKey] = {}
    for entry in sorted(asked, key=lambda entry: (getattr(entry.node, "lineno", 0), getattr(entry.node, "col_offset", 0))):
        first.setdefault((entry.key, entry.how), entry)
    return list(first.values())
