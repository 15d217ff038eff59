"""Whether what an objective returns can depend on what it samples.

This compares what is made from the trial with what the result is made from.
"""

from __future__ import annotations

import ast

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import arguments_of, body_nodes, last_name
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.training.goodness import function_of

# What is asked of a trial without sampling anything.
SAMPLES_NOTHING = frozenset(
    {"report", "should_prune", "set_user_attr", "set_system_attr", "number", "user_attrs", "system_attrs", "datetime_start", "study"}
)
# Methods that leave what they are called on, and what they are given, as they are.
READS = frozenset(
    {"items", "keys", "values", "get", "copy", "format", "join", "info", "debug", "warning", "error", "print", "lower", "upper", "split"}
)
PURE = words(
    """
    len print list dict tuple set float int str bool isinstance range sorted zip enumerate min max sum abs round any all map repr
    pprint deepcopy to_container to_yaml to_object create
    """
)
# Calls that carry what they are given out of the function: into a file, a process, another object.
CARRIES_OUT = words(
    """
    save dump write write_text writelines to_csv to_json savez run Popen check_call check_output call system submit apply_async
    remote put send compose put_text
    """
)
CHANGES = frozenset({"update", "append", "extend", "add", "insert", "setdefault", "set", "merge_with", "pop", "clear", "__setitem__"})
MAX_DEPTH = 6
Names = frozenset[str]


class Sampling:
    """Follows what an objective samples.

    Args:
        symbols: the project's functions.
    """

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    def is_lost(self, module: Module, function: Function) -> bool:
        """Whether an objective samples something and returns what surely has nothing to do with it."""
        trial = _trial_of(function)
        if trial is None or any(isinstance(node, (ast.Global, ast.Nonlocal)) for node in ast.walk(function)):
            return False
        made = self._made_of(module, function, trial)
        returned = [node.value for node in body_nodes(function) if isinstance(node, ast.Return) and node.value is not None]
        if not returned or all(isinstance(value, ast.Constant) for value in returned):
            return False
        if self._decides(module, function, made, trial) or self._leaves(module, function, made, trial):
            return False
        if not any(self._samples(module, node, trial) for node in ast.walk(function)):
            return False
        return not any(self._mentions(module, value, made, trial) for value in returned)

    def _decides(self, module: Module, function: Function, made: Names, trial: str) -> bool:
        """Whether what is sampled decides which way the objective goes."""
        return any(
            self._mentions(module, node.test, made, trial)
            for node in ast.walk(function)
            if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert))
        )

    def _leaves(self, module: Module, function: Function, made: Names, trial: str) -> bool:
        """Return whether sampled values may leave the objective in a way that its names do not show.

        Such ways are a global, a file and a process.
        """
        for node in ast.walk(function):
            if isinstance(node, (ast.Assign, ast.AugAssign)) and self._mentions(module, node.value, made, trial):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                stored = [target for target in targets if isinstance(target, (ast.Attribute, ast.Subscript))]
                if any(self._is_global(module, function, name) for target in stored for name in _roots(target)):
                    return True
            if isinstance(node, ast.Call) and any(self._mentions(module, entry, made, trial) for entry in arguments_of(node)):
                if last_name(node.func) in CARRIES_OUT:
                    return True
                called = function_of(self.symbols, module, node)
                if called is not None and self._writes_globals(*called):
                    return True
        return False

    def _writes_globals(self, module: Module, function: Function) -> bool:
        """Whether a function changes what is neither its own nor its caller's."""
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                return True
            is_write = isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store)
            if is_write and any(self._is_global(module, function, name) for name in _roots(node)):
                return True
        return False

    def _is_global(self, module: Module, function: Function, name: str) -> bool:
        """Whether a name within a function is a name of the module."""
        place = self.symbols.scopes(module).lookup(name, function.body[0])
        return place is None or place[0] is module.tree

    def _made_of(self, module: Module, function: Function, trial: str) -> Names:
        """The names of a function whose values may be made of what is sampled."""
        made: set[str] = set()
        while True:
            before = len(made)
            for node in ast.walk(function):
                made |= self._changed(module, node, frozenset(made), trial)
            if len(made) == before:
                return frozenset(made)

    def _changed(self, module: Module, node: ast.AST, made: Names, trial: str) -> set[str]:
        """The names that a node gives something that is made of what is sampled."""
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return set().union(*map(_roots, targets)) if self._mentions(module, node.value, made, trial) else set()
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            return _roots(node.target) if self._mentions(module, node.iter, made, trial) else set()
        if isinstance(node, ast.withitem) and node.optional_vars is not None:
            return _roots(node.optional_vars) if self._mentions(module, node.context_expr, made, trial) else set()
        if isinstance(node, FUNCTIONS) and any(self._mentions(module, inner, made, trial) for inner in node.body):
            return {node.name}
        if isinstance(node, ast.Call):
            return self._changed_by(module, node, made, trial)
        return set()

    def _changed_by(self, module: Module, call: ast.Call, made: Names, trial: str) -> set[str]:
        """Return the names of objects that a call may put something sampled into.

        They are the object that it is called on and its other arguments.
        """
        given = arguments_of(call)
        takes_sampled = any(self._mentions(module, entry, made, trial) for entry in given)
        if self._is_suggestion(call, trial) or not (takes_sampled or self._samples(module, call, trial)):
            return set()
        if last_name(call.func) in PURE | READS:
            return set()
        # What trains with one sampled value changes all that it is given; what only samples, what it surely writes to.
        function = None if takes_sampled else function_of(self.symbols, module, call)
        found: set[str] = set()
        for place, entry in enumerate(given):
            if isinstance(entry, (ast.Name, ast.Attribute, ast.Starred)) and (
                function is None or self._may_change(*function, _parameter(call, place, function[1]))
            ):
                found |= _roots(entry)
        if isinstance(call.func, ast.Attribute) and (function is None or self._may_change(*function, _first(function[1]))):
            found |= _roots(call.func.value)
        return found - {trial}

    def _may_change(self, module: Module, function: Function, parameter: str | None, depth: int = 0) -> bool:
        """Whether a function may change what it is given under a parameter."""
        if parameter is None or depth > MAX_DEPTH:
            return True
        own = {parameter}
        for node in ast.walk(function):  # other names for it, or for what is in it
            if isinstance(node, (ast.Assign, ast.NamedExpr)) and isinstance(node.value, (ast.Name, ast.Attribute, ast.Subscript)):
                if _roots(node.value) & own:
                    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        own |= {target.id} if isinstance(target, ast.Name) else set()
            elif isinstance(node, (ast.For, ast.comprehension)) and _roots(node.iter) & own:
                own |= _roots(node.target)
        for node in ast.walk(function):
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)) and _roots(node) & own:
                return True
            if isinstance(node, ast.Call) and self._hands_on(module, node, own, depth):
                return True
        return False

    def _hands_on(self, module: Module, call: ast.Call, own: set[str], depth: int) -> bool:
        """Whether a call within a function may change one of some names."""
        name = last_name(call.func)
        function = function_of(self.symbols, module, call)
        is_owned = isinstance(call.func, ast.Attribute) and bool(_roots(call.func.value) & own)
        if is_owned and (name in CHANGES or (function is not None and self._may_change(*function, _first(function[1]), depth + 1))):
            return True
        if name in PURE | READS or name.startswith("suggest_"):
            return False
        return any(
            function is None or self._may_change(*function, _parameter(call, place, function[1]), depth + 1)
            for place, entry in enumerate(arguments_of(call))
            if isinstance(entry, (ast.Name, ast.Starred)) and _roots(entry) & own
        )

    def _mentions(self, module: Module, node: ast.AST, made: Names, trial: str) -> bool:
        """Return whether an expression may be made from sampled values.

        It contains the name of such a value, or samples itself.
        """
        return any((isinstance(inner, ast.Name) and inner.id in made) or self._samples(module, inner, trial) for inner in ast.walk(node))

    def _samples(self, module: Module, node: ast.AST, trial: str) -> bool:
        """Whether a node asks the trial for a value, or hands it to what may."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == trial:
            return node.attr not in SAMPLES_NOTHING
        if not isinstance(node, ast.Call):
            return False
        given = [*arguments_of(node)]
        places = [place for place, entry in enumerate(given) if isinstance(entry, ast.Name) and entry.id == trial]
        function = function_of(self.symbols, module, node) if places else None
        return any(function is None or self._may_sample(*function, _parameter(node, place, function[1])) for place in places)

    def _may_sample(self, module: Module, function: Function, parameter: str | None, depth: int = 0) -> bool:
        """Whether a function may ask a trial for values that it is given under a parameter."""
        if parameter is None or depth > MAX_DEPTH:
            return True
        for node in ast.walk(function):
            if not isinstance(node, ast.Name) or node.id != parameter or not isinstance(node.ctx, ast.Load):
                continue
            parent = module.parents.get(node)
            if isinstance(parent, ast.Attribute):
                if parent.attr not in SAMPLES_NOTHING:
                    return True
            elif isinstance(parent, (ast.Compare, ast.If, ast.IfExp, ast.BoolOp)):
                continue  # `if trial is not None`
            else:
                return True
        return False

    @staticmethod
    def _is_suggestion(call: ast.Call, trial: str) -> bool:
        return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == trial


def _trial_of(function: Function) -> str | None:
    """The name under which an objective gets its trial."""
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args) if entry.arg not in ("self", "cls")]
    return names[0] if len(names) == 1 or (names and names[0] == "trial") else "trial" if "trial" in names else None


def _parameter(call: ast.Call, place: int, function: Function) -> str | None:
    """The parameter that takes the argument at a place of `arguments_of`; None where that is not plain."""
    if any(isinstance(entry, ast.Starred) for entry in call.args):
        return None
    if place >= len(call.args):
        return call.keywords[place - len(call.args)].arg
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    place += bool(names) and names[0] in ("self", "cls")
    return names[place] if place < len(names) else None


def _first(function: Function) -> str | None:
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    return names[0] if names else None


def _roots(node: ast.AST) -> set[str]:
    """The variables that an expression is a part of, or that a target binds or changes."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return set().union(*map(_roots, node.elts)) if node.elts else set()
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()
