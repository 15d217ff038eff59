"""Expressions: what each kind of syntax node gives."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from gonogo.analysis.interpreter.config import NOTHING
from gonogo.analysis.interpreter.members import Members
from gonogo.analysis.interpreter.values import (
    SCALAR_TYPES,
    SCALARS,
    UNKNOWN,
    Builtin,
    Choice,
    Class,
    Dict,
    FilePath,
    Frame,
    Function,
    HydraMain,
    Instance,
    List,
    Method,
    Node,
    Text,
    Unknown,
    join,
    same,
    truth,
)

MAX_TEXT = 20_000
MAX_NUMBER = 10**12
MAX_UNROLLED = 64

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Expressions(Members):
    """Evaluation of expressions."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Any:
        """The value of an expression."""
        if type(node) is ast.Name:  # these three are nine in ten of all expressions: not worth a detour
            names = frame.locals
            return names[node.id] if node.id in names else self.look_up(node.id, frame)
        self.spend()
        if type(node) is ast.Constant:
            return node.value if type(node.value) in SCALAR_TYPES else UNKNOWN
        if type(node) is ast.Attribute:
            return self.member(self.evaluate(node.value, frame), node.attr, node, node.value)
        handler = _EVALUATE.get(type(node))
        return handler(self, node, frame) if handler else self._other(node, frame)

    def _other(self, node: ast.expr, frame: Frame) -> Any:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.evaluate(child, frame)
        return UNKNOWN

    def look_up(self, name: str, frame: Frame) -> Any:
        """The value of a name, from the innermost scope that binds it."""
        if name in frame.locals:
            return frame.locals[name]
        scope = frame.outer
        while scope is not None:
            if name in scope.locals and not scope.is_class:
                return scope.locals[name]
            scope = scope.outer
        if name in frame.globals:
            return frame.globals[name]
        return self.builtins.get(name, UNKNOWN)

    # -- operators ----------------------------------------------------------------------------------------------------

    def _binary(self, node: ast.BinOp, frame: Frame) -> Any:
        return self.combine(self.evaluate(node.left, frame), node.op, self.evaluate(node.right, frame))

    def combine(self, left: Any, op: ast.operator, right: Any) -> Any:
        """The result of a binary operator, unknown where it could be costly or is not modelled."""
        if isinstance(left, List) and isinstance(right, List) and isinstance(op, ast.Add):
            return List([*left.items, *right.items], left.open or right.open, left.kind)
        if isinstance(left, List) and isinstance(op, ast.Add):
            return List(left.items, True, left.kind)
        if isinstance(op, ast.Add) and isinstance(right, List) and isinstance(left, Unknown):
            return List(right.items, True, right.kind)
        if isinstance(op, ast.Add) and isinstance(left, (str, Text)) and isinstance(right, (str, Text, Unknown)):
            return concatenated([left, right])
        if isinstance(op, ast.Add) and isinstance(left, Unknown) and isinstance(right, (str, Text)):
            return concatenated([left, right])
        if isinstance(op, ast.Div) and (isinstance(left, FilePath) or isinstance(right, FilePath)):
            return self.join_paths([left, right])
        if isinstance(op, ast.BitOr) and isinstance(left, Dict) and isinstance(right, Dict):
            return Dict({**left.items, **right.items}, left.open or right.open)
        function = BINARY.get(type(op))
        if function is None or not isinstance(left, SCALARS) or not isinstance(right, SCALARS):
            return UNKNOWN
        numbers = all(isinstance(value, (int, float)) and abs(value) < MAX_NUMBER for value in (left, right))
        texts = isinstance(op, ast.Add) and isinstance(left, str) and isinstance(right, str) and len(left) + len(right) < MAX_TEXT
        if not numbers and not texts:
            return UNKNOWN
        try:
            return function(left, right)
        except (ArithmeticError, TypeError, ValueError):
            return UNKNOWN

    def _boolean(self, node: ast.BoolOp, frame: Frame) -> Any:
        """`and` and `or`: what is not evaluated is not read; what may be is."""
        is_and = isinstance(node.op, ast.And)
        result: Any = NOTHING
        entered = 0
        try:
            for part in node.values:
                value = self.evaluate(part, frame)
                answer = truth(value)
                result = value if result is NOTHING or not entered else join(result, value)
                if answer is None:
                    self.uncertain += 1
                    entered += 1
                elif answer is not is_and:
                    return result
            return result
        finally:
            self.uncertain -= entered

    def _not(self, node: ast.UnaryOp, frame: Frame) -> Any:
        value = self.evaluate(node.operand, frame)
        if isinstance(node.op, ast.Not):
            answer = truth(value)
            return UNKNOWN if answer is None else not answer
        if isinstance(value, (int, float)):
            return -value if isinstance(node.op, ast.USub) else +value if isinstance(node.op, ast.UAdd) else UNKNOWN
        return UNKNOWN

    def _compare(self, node: ast.Compare, frame: Frame) -> Any:
        left = self.evaluate(node.left, frame)
        result: Any = True
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(part, frame)
            answer = self.compare(left, op, right, node)
            if answer is False:
                return False
            if answer is None:
                result = UNKNOWN
            left = right
        return result

    def compare(self, left: Any, op: ast.cmpop, right: Any, at: ast.AST) -> bool | None:
        """What a comparison says, None where it is not known."""
        if isinstance(op, (ast.In, ast.NotIn)):
            answer = self.contains(right, left, at)
            return answer if answer is None or isinstance(op, ast.In) else not answer
        if isinstance(op, (ast.Is, ast.IsNot)):
            answer = _identical(left, right)
            return answer if answer is None or isinstance(op, ast.Is) else not answer
        function = COMPARE.get(type(op))
        if function is None:
            return None
        if isinstance(left, SCALARS) and isinstance(right, SCALARS):
            try:
                return bool(function(left, right))
            except TypeError:
                return None
        if isinstance(op, (ast.Eq, ast.NotEq)) and (left is None or right is None):
            other = right if left is None else left
            if isinstance(other, (Dict, List, Instance, Function, Class, FilePath, Text)):
                return isinstance(op, ast.NotEq)
        return None

    def contains(self, container: Any, item: Any, at: ast.AST) -> bool | None:
        """What `item in container` says."""
        if isinstance(container, Dict):
            return self.has_key(container, item, at)
        if isinstance(container, List):
            if isinstance(item, SCALARS) and any(isinstance(entry, SCALARS) and entry == item for entry in container.items):
                return True
            known = isinstance(item, SCALARS) and all(isinstance(entry, SCALARS) for entry in container.items) and not container.open
            return False if known else None
        if isinstance(container, str) and isinstance(item, str):
            return item in container
        return None

    # -- displays -----------------------------------------------------------------------------------------------------

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> Any:
        parts: list[Any] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.evaluate(part.value, frame)
                if part.format_spec is not None:
                    self.evaluate(part.format_spec, frame)
                plain = part.format_spec is None and part.conversion == -1
                if isinstance(value, FilePath):
                    value = value.text
                parts.append(value if plain or (isinstance(value, Unknown)) else UNKNOWN)
            else:
                parts.append(self.evaluate(part, frame))
        return concatenated(parts)

    def _formatted(self, node: ast.FormattedValue, frame: Frame) -> Any:
        self.evaluate(node.value, frame)
        return UNKNOWN

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Any:
        kind = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[type(node)]
        result = List(kind=kind)
        for part in node.elts:
            if isinstance(part, ast.Starred):
                inner = self.evaluate(part.value, frame)
                items, complete = self.iterate(inner)
                result.items.extend(items if complete else [])
                result.open = result.open or not complete
            else:
                result.items.append(self.evaluate(part, frame))
        return result

    def _mapping(self, node: ast.Dict, frame: Frame) -> Any:
        result = Dict()
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            value = self.evaluate(value_node, frame)
            if key_node is None:
                self.spread(value, result)
                continue
            key = self.evaluate(key_node, frame)
            if isinstance(key, SCALARS):
                result.items[key] = value
            else:
                result.open = True
        if node.keys and not result.open and None not in node.keys:
            result.written = frozenset(result.items)
        return result

    def spread(self, value: Any, target: Dict) -> None:
        """`**value` into a mapping."""
        if isinstance(value, Node):
            for key, item in self.walk(value):
                target.items[key] = item
                if isinstance(item, Node):
                    self.trace.used.add(item.path)
            target.open = target.open or value.open
            target.maybe |= value.maybe
        elif isinstance(value, Dict):
            target.items.update(value.items)
            target.open = target.open or value.open
            target.maybe |= value.maybe
        else:
            target.open = True

    def _conditional(self, node: ast.IfExp, frame: Frame) -> Any:
        answer = truth(self.evaluate(node.test, frame))
        if answer is not None:
            return self.evaluate(node.body if answer else node.orelse, frame)
        self.uncertain += 1
        try:
            return join(self.evaluate(node.body, frame), self.evaluate(node.orelse, frame))
        finally:
            self.uncertain -= 1

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Any:
        function = Function(node, frame.module, frame)
        self.evaluate_defaults(function, frame)
        return function

    def _walrus(self, node: ast.NamedExpr, frame: Frame) -> Any:
        value = self.evaluate(node.value, frame)
        frame.locals[node.target.id] = value
        return value

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Any:
        inner = Frame(frame.module, {}, frame.globals, frame, frame.function)
        result: Any = Dict() if isinstance(node, ast.DictComp) else List(kind="set" if isinstance(node, ast.SetComp) else "list")
        self._comprehend(node, 0, inner, result)
        return result

    def _comprehend(self, node: Any, index: int, frame: Frame, result: Any) -> None:
        if index == len(node.generators):
            if isinstance(node, ast.DictComp):
                key, value = self.evaluate(node.key, frame), self.evaluate(node.value, frame)
                if isinstance(key, SCALARS):
                    result.items[key] = value
                    if self.uncertain:
                        result.maybe.add(key)
                else:
                    result.open = True
            else:
                result.items.append(self.evaluate(node.elt, frame))
            return
        generator = node.generators[index]
        source = self.evaluate(generator.iter, frame)
        items, complete = self.iterate(source)
        if not complete or len(items) > MAX_UNROLLED:
            items, result.open = [self.element(items)], True
        path = self.iterated_path(source)
        self.loops.extend([path] if path is not None else [])
        for item in items:
            self.assign(generator.target, item, frame)
            self._comprehend_if(node, index, generator, frame, result)
        if path is not None:
            self.loops.pop()
        if result.open and isinstance(result, List):
            result.items = [] if not complete else result.items

    def _comprehend_if(self, node: Any, index: int, generator: ast.comprehension, frame: Frame, result: Any) -> None:
        entered = 0
        try:
            for test in generator.ifs:
                answer = truth(self.evaluate(test, frame))
                if answer is False:
                    return
                if answer is None:
                    result.open = True
                    self.uncertain += 1
                    entered += 1
            self._comprehend(node, index + 1, frame, result)
        finally:
            self.uncertain -= entered

    @staticmethod
    def element(items: list[Any]) -> Any:
        """A value that stands for any of some items."""
        if not items or len(items) > MAX_UNROLLED:
            return UNKNOWN
        value = items[0]
        for item in items[1:]:
            value = join(value, item)
        return value

    def _yield(self, node: ast.Yield | ast.YieldFrom, frame: Frame) -> Any:
        value = self.evaluate(node.value, frame) if node.value is not None else None
        scope: Frame | None = frame
        while scope is not None and scope.yields is None:
            scope = scope.outer
        if scope is not None and scope.yields is not None:
            scope.yields.append(value if isinstance(node, ast.Yield) else UNKNOWN)
        return UNKNOWN

    def _await(self, node: ast.Await, frame: Frame) -> Any:
        return self.evaluate(node.value, frame)

    def _starred(self, node: ast.Starred, frame: Frame) -> Any:
        return self.evaluate(node.value, frame)


def concatenated(parts: list[Any]) -> Any:
    """The text that parts make: a text if all are known, else a `Text` that knows what it can."""
    pieces: list[str | None] = []
    for part in parts:
        if isinstance(part, Text):
            pieces.extend(part.parts)
        elif isinstance(part, (str, int, float, bool)) or part is None:
            pieces.append(str(part))
        else:
            pieces.append(None)
    if sum(len(piece or "") for piece in pieces) > MAX_TEXT:
        return UNKNOWN
    if all(piece is not None for piece in pieces):
        return "".join(piece for piece in pieces if piece is not None)
    return Text(pieces) if any(pieces) else UNKNOWN


def _identical(left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        other = right if left is None else left
        if other is None:
            return True
        if isinstance(other, Choice):
            return None if any(value is None for value in other.values) else False
        return None if isinstance(other, (Unknown, Method)) else False
    if isinstance(left, bool) and isinstance(right, bool):
        return left is right
    if isinstance(left, (Node, Instance, Class, Function, Builtin, HydraMain)) and same(left, right):
        return True
    return None


_EVALUATE: dict[type[ast.expr], Callable[[Any, Any, Frame], Any]] = {
    ast.Subscript: Expressions._subscript,
    ast.Call: Expressions._call,
    ast.BinOp: Expressions._binary,
    ast.BoolOp: Expressions._boolean,
    ast.UnaryOp: Expressions._not,
    ast.Compare: Expressions._compare,
    ast.JoinedStr: Expressions._joined,
    ast.FormattedValue: Expressions._formatted,
    ast.List: Expressions._sequence,
    ast.Tuple: Expressions._sequence,
    ast.Set: Expressions._sequence,
    ast.Dict: Expressions._mapping,
    ast.IfExp: Expressions._conditional,
    ast.Lambda: Expressions._lambda,
    ast.NamedExpr: Expressions._walrus,
    ast.ListComp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.Yield: Expressions._yield,
    ast.YieldFrom: Expressions._yield,
    ast.Await: Expressions._await,
    ast.Starred: Expressions._starred,
}
