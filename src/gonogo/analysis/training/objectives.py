"""Which data reach the objective of a search.

Everything that the value for Optuna is made from is followed through the project's functions.

Only what is surely made of the test data counts. Where a value has parts (a dict, a tuple), the parts are told apart; where functions are
not the project's, what they give is made of what they are given.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import arguments_of, body_nodes, calls, text_of
from gonogo.analysis.python.symbols import Symbols

TEST = re.compile(
    r"^(?:x_|y_)?test(?:_?(?:loader|dl|ds|set|data|dataset|dataloader|split|images|labels|iter|x|y))?$|^(?:loader|data|ds)_test$",
    re.IGNORECASE,
)
VALIDATION = re.compile(
    r"(?:^|_)(?:val|valid|validation|dev|held_?out|holdout)(?:_|$)|^(?:val|valid|dev)[a-z]*(?:loader|set|data)", re.IGNORECASE
)
HELD_OUT = re.compile(
    r"^(?:val|valid|validation|dev|held_?out|holdout)(?:_?(?:loader|dl|ds|set|data|dataset|dataloader|split|subset|images|idx|indices))?$"
)
SPLITTERS = re.compile(r"split|fold", re.IGNORECASE)
SPLIT_KEYWORDS = frozenset({"split", "subset", "partition", "fold", "phase", "stage", "which"})
COLLECTS = frozenset({"append", "extend", "update", "add", "insert"})
# What such a method gives is made of its arguments; of anything else it is called on as well (`images.to(device)`).
OF_A_MODEL = frozenset(
    {"predict", "predict_proba", "forward", "evaluate", "score", "fit", "transform", "test", "validate", "decision_function"}
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MAX_DEPTH = 6


@dataclass(frozen=True)
class Place:
    """Where the test data come in."""

    module: Module
    node: ast.AST


Parts = dict[object, "Place | Parts | None"]
Made = Place | Parts | None


def whole(made: Made) -> Place | None:
    """Where all parts of a value come from the test data: the first such place."""
    if not isinstance(made, dict):
        return made
    places = [whole(part) for part in made.values()]
    return places[0] if places and all(places) else None


def objectives(modules: Iterable[Module], symbols: Symbols) -> Iterator[tuple[Module, Function]]:
    """Yield every function that a study optimises.

    It is given by its name, in a lambda or a `partial`, made by another function, or as an object.
    """
    seen: set[ast.AST] = set()
    for module in modules:
        for call in calls(module):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "optimize" and call.args:
                for owner, function in _functions(module, call.args[0], symbols):
                    if function not in seen:
                        seen.add(function)
                        yield owner, function


def _functions(module: Module, given: ast.expr, symbols: Symbols) -> Iterator[tuple[Module, Function]]:
    if isinstance(given, ast.Lambda) and isinstance(given.body, ast.Call):
        given = given.body.func
    elif isinstance(given, ast.Call) and isinstance(given.func, (ast.Name, ast.Attribute)):
        name = given.func.id if isinstance(given.func, ast.Name) else given.func.attr
        if name == "partial" and given.args:
            given = given.args[0]
        else:
            yield from _made_by(module, given.func, symbols)
            return
    definition = symbols.resolve(module, given)
    if definition is not None and isinstance(definition.node, FUNCTIONS):
        yield definition.module, definition.node
    elif definition is None and isinstance(given, ast.Attribute):
        named = [node for node in module.of(*FUNCTIONS) if node.name == given.attr]
        if len(named) == 1:
            yield module, named[0]


def _made_by(module: Module, maker: ast.expr, symbols: Symbols) -> Iterator[tuple[Module, Function]]:
    """The function that another function makes and returns, or what calling an object runs."""
    definition = symbols.resolve(module, maker)
    if definition is None:
        return
    if isinstance(definition.node, ast.ClassDef):
        found = symbols.method(definition, "__call__")
        if found is not None:
            yield found[0].module, found[1]
        return
    inner = {node.name: node for node in definition.node.body if isinstance(node, FUNCTIONS)}
    for node in ast.walk(definition.node):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and node.value.id in inner:
            yield definition.module, inner[node.value.id]


def has_held_out_data(modules: Iterable[Module]) -> bool:
    """Whether the code knows data that are neither training nor test data: a validation split by name."""
    for module in modules:
        for node in module.of(ast.Name, ast.Constant):
            name = node.id if isinstance(node, ast.Name) else text_of(node)
            if name is not None and HELD_OUT.match(name.lower()):
                return True
    return False


class TestDataReader:
    """Tells whether what a function returns is made of the test data."""

    def __init__(self, symbols: Symbols, metrics: Iterable[str] = ()) -> None:
        self.symbols = symbols
        self.metrics = list(metrics)
        self._active: list[ast.AST] = []
        self._answers: dict[tuple[ast.AST, tuple[tuple[str, Made], ...]], Made] = {}

    def returned(self, module: Module, function: Function, given: Mapping[str, Made] | None = None) -> Made:
        """Return what the return value of a function is made of, given what its parameters are made of.

        None unless every `return` says the same.
        """
        if function in self._active or len(self._active) >= MAX_DEPTH:
            return None
        known = {name: made for name, made in (given or {}).items() if made is not None}
        if any(isinstance(made, dict) for made in known.values()):
            return self._read(module, function, known)  # a value in parts is no key
        key = (function, tuple(sorted(known.items(), key=lambda entry: entry[0])))
        if key not in self._answers:
            self._answers[key] = self._read(module, function, known)
        return self._answers[key]

    def _read(self, module: Module, function: Function, known: Mapping[str, Made]) -> Made:
        self._active.append(function)
        scope = _Scope(self, module, function, known)
        made = [scope.made(node.value) for node in scope.statements if isinstance(node, ast.Return) and node.value is not None]
        self._active.pop()
        first = made[0] if made else None
        return first if len(made) == 1 else whole(first) if made and all(whole(entry) for entry in made) else None


class _Scope:
    """The names of one function, and what they are made of."""

    def __init__(self, reader: TestDataReader, module: Module, function: Function, given: Mapping[str, Made]) -> None:
        self.reader = reader
        self.module = module
        parameters = {entry.arg for entry in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
        self.names: dict[str, Made] = {name: given.get(name) for name in parameters}
        self.own = set(parameters)  # names of which it is known what they are: their spelling says nothing more
        self.split: set[str] = set()  # names of what the function splits for itself
        statements = (node for node in body_nodes(function) if isinstance(node, ast.stmt))
        self.statements = sorted(statements, key=lambda node: (node.lineno, node.col_offset))
        for _ in range(2):  # what a loop gathers may be used above the line that gathers it
            for statement in self.statements:
                self._read(statement)

    def _read(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._bind(target, self.made(node.value), node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.names[node.target.id] = self.names.get(node.target.id) or whole(self.made(node.value))
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._bind(node.target, whole(self.made(node.iter)), node.iter)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, self.made(item.context_expr), item.context_expr)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            owner, call = node.value.func.value, node.value
            if node.value.func.attr in COLLECTS and isinstance(owner, ast.Name):
                gathered = next((place for entry in call.args if (place := whole(self.made(entry)))), None)
                self.names[owner.id] = self.names.get(owner.id) or gathered

    def _bind(self, target: ast.expr, made: Made, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            source = ast.unparse(value.func) if isinstance(value, ast.Call) else ast.unparse(value)
            if TEST.match(target.id) and not SPLITTERS.search(source) and not _mentions_validation(value):
                return  # the name says it, and where it is used is the place to point at
            self.names[target.id] = made
            self.own.add(target.id)
            if isinstance(value, ast.Call) and SPLITTERS.search(source):
                self.split.add(target.id)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for index, entry in enumerate(target.elts):
                self._bind(entry, made.get(index) if isinstance(made, dict) else made, value)

    def made(self, node: ast.expr) -> Made:
        """What an expression is made of."""
        if isinstance(node, ast.Name):
            if node.id in self.own:
                return self.names.get(node.id)
            return self.names.get(node.id) or (Place(self.module, node) if TEST.match(node.id) else None)
        if isinstance(node, ast.Attribute):
            if TEST.match(node.attr):
                return Place(self.module, node)
            made = self.made(node.value)
            return made.get(node.attr) if isinstance(made, dict) else made
        if isinstance(node, ast.Subscript):
            return self._part(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Dict) and node.keys:
            return {text_of(key): self.made(value) for key, value in zip(node.keys, node.values, strict=True)}
        if isinstance(node, ast.Tuple):
            return {index: self.made(entry) for index, entry in enumerate(node.elts)}
        if isinstance(node, ast.IfExp):
            one, other = whole(self.made(node.body)), whole(self.made(node.orelse))
            return one if other else None
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            return whole(self.made(node.generators[0].iter))
        return self._any(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))

    def _any(self, nodes: Iterable[ast.expr]) -> Place | None:
        return next((place for node in nodes if (place := whole(self.made(node)))), None)

    def _part(self, node: ast.Subscript) -> Made:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        made = self.made(node.value)
        if not isinstance(made, dict) or (key is not None and key not in made):
            is_test = isinstance(key, str) and key.lower() == "test" and not self._is_split_off(node.value)
            named = Place(self.module, node) if is_test else None
            return named if isinstance(made, dict) else made or named
        if key is not None:
            return made[key]
        wanted = self.reader.metrics if self.reader.metrics and all(name in made for name in self.reader.metrics) else list(made)
        return whole({name: made[name] for name in wanted})

    def _is_split_off(self, owner: ast.expr) -> bool:
        """Return whether a mapping of parts is split by the function itself.

        Then its `test` part is held out of other data.
        """
        while isinstance(owner, ast.Subscript):
            owner = owner.value
        if isinstance(owner, ast.Name):
            return owner.id in self.split
        return isinstance(owner, ast.Call) and SPLITTERS.search(ast.unparse(owner.func)) is not None

    def _called(self, call: ast.Call) -> Made:
        definition = self.reader.symbols.resolve(self.module, call.func)
        if definition is not None and isinstance(definition.node, FUNCTIONS):
            given = _given(definition.node, call)
            if given is not None:
                made = {name: self.made(value) for name, value in given.items()}
                found = self.reader.returned(definition.module, definition.node, made)
                return found if found is not None else self._split(call)
        entries = arguments_of(call)
        if any(_mentions_validation(entry, self._of_test_data()) for entry in entries) or definition is not None:
            return None
        place = self._split(call) or self._any(entries)
        if place is None and isinstance(call.func, ast.Attribute) and call.func.attr not in OF_A_MODEL:
            return whole(self.made(call.func.value))
        return place

    def _of_test_data(self) -> set[str]:
        """Own names that are surely made of the test data, whatever they are called."""
        return {name for name in self.own if whole(self.names.get(name)) is not None}

    def _split(self, call: ast.Call) -> Place | None:
        """`split="test"` among the arguments."""
        for keyword in call.keywords:
            if keyword.arg in SPLIT_KEYWORDS and (text_of(keyword.value) or "").lower() == "test":
                return Place(self.module, keyword.value)
        return None


def _given(function: Function, call: ast.Call) -> dict[str, ast.expr] | None:
    """The arguments of a call by parameter; None where some can't be seen."""
    if any(isinstance(entry, ast.Starred) for entry in call.args) or any(keyword.arg is None for keyword in call.keywords):
        return None
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    return dict(zip(names, call.args, strict=False)) | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _mentions_validation(node: ast.AST, known: Container[str] = ()) -> bool:
    """Whether something is called validation data, but for variables of which it is known what they are."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in known:
            continue
        name = inner.id if isinstance(inner, ast.Name) else inner.attr if isinstance(inner, ast.Attribute) else text_of(inner)
        if name is not None and VALIDATION.search(name):
            return True
    return False
