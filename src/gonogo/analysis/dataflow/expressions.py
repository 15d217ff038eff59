"""What each kind of expression stands for."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable

from gonogo.analysis.dataflow.blocks import Block, Branch
from gonogo.analysis.dataflow.containers import assign, attribute, element, entries, item
from gonogo.analysis.dataflow.core import EXPRESSIONS, Walker
from gonogo.analysis.dataflow.definitions import Frame, Function
from gonogo.analysis.dataflow.types import compared_types
from gonogo.analysis.dataflow.values import (
    Call,
    Const,
    Display,
    Formatted,
    Mapping,
    Operation,
    Ref,
    Repeated,
    Span,
    Text,
    Unknown,
    Value,
    choice,
    constant,
    plain,
)

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.MatMult: "@",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Not: "not", ast.USub: "neg",
    ast.UAdd: "pos", ast.Invert: "~", ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in", ast.And: "and", ast.Or: "or",
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., object]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[..., object]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "is": operator.is_, "is not": operator.is_not,
}  # fmt: skip
MAX_NUMBER = 1e18
_BUILTINS = frozenset(dir(builtins))
MAX_TEXT = 200


def truth(value: Value) -> bool | None:
    """Whether a condition surely holds or surely does not; None where that can't be told."""
    known = constant(value)
    return bool(known) if known is None or isinstance(known, (bool, int, float, str)) else None


def _name(walker: Walker, node: ast.Name) -> Value:
    name = node.id
    found = walker.frame.lookup(name)
    if found is not None:
        return walker.now(found, node, name in walker.imports.changes.names.get(walker.module, ()))
    if name == "__name__":
        return Const(walker.module, node, "__main__" if walker.module is walker.main else walker.module.name)
    if name == "TYPE_CHECKING":
        return Const(walker.module, node, False)
    stars = walker.frame.top.stars
    if len(set(stars)) == 1 and name not in _BUILTINS:
        return Ref(walker.module, node, f"{stars[0]}.{name}")
    return Ref(walker.module, node, name)


def _constant(walker: Walker, node: ast.Constant) -> Value:
    return Const(walker.module, node, node.value)


def _attribute(walker: Walker, node: ast.Attribute) -> Value:
    return attribute(walker, walker.read(node.value), node.attr, node)


def _subscript(walker: Walker, node: ast.Subscript) -> Value:
    return item(walker, walker.read(node.value), walker.read(node.slice), node)


def _slice(walker: Walker, node: ast.Slice) -> Value:
    start, stop, step = (walker.read(part) if part is not None else None for part in (node.lower, node.upper, node.step))
    return Span(walker.module, node, start, stop, step)


def _display(kind: str) -> Callable[[Walker, ast.List | ast.Tuple | ast.Set], Value]:
    def read(walker: Walker, node: ast.List | ast.Tuple | ast.Set) -> Value:
        items: list[Value] = []
        is_open = False
        for entry in node.elts:
            if isinstance(entry, ast.Starred):
                inner = plain(walker.read(entry.value))
                known = entries(walker, inner, entry, 64)
                if known is None:
                    is_open = True
                    items.append(element(walker, inner, entry))
                else:
                    items += known
            else:
                items.append(walker.read(entry))
        return Display(walker.module, node, kind, tuple(items), is_open)

    return read


def _dict(walker: Walker, node: ast.Dict) -> Value:
    found: list[tuple[Value, Value]] = []
    is_open = False
    for key, value in zip(node.keys, node.values, strict=True):
        given = walker.read(value)
        if key is not None:
            found.append((walker.read(key), given))
        elif isinstance(plain(given), Mapping):
            inner = plain(given)
            assert isinstance(inner, Mapping)
            found += inner.entries
            is_open = is_open or inner.is_open
        else:
            is_open = True
    return Mapping(walker.module, node, tuple(found), is_open)


def _binary(walker: Walker, node: ast.BinOp) -> Value:
    left, right = walker.read(node.left), walker.read(node.right)
    return operation(walker, node, OPERATORS.get(type(node.op), "?"), (left, right))


def operation(walker: Walker, node: ast.AST, symbol: str, operands: tuple[Value, ...]) -> Value:
    """The value of an operator, computed where the operands are literals."""
    left, right = (plain(operands[0]), plain(operands[-1]))
    if symbol == "+" and isinstance(left, Display) and isinstance(right, Display) and left.kind == right.kind:
        return Display(walker.module, node, left.kind, (*left.items, *right.items), left.is_open or right.is_open)
    one, other = constant(left), constant(right)
    compute = _ARITHMETIC.get(symbol)
    is_text = symbol == "+" and isinstance(one, str) and isinstance(other, str) and len(one) + len(other) < MAX_TEXT
    if compute is not None and (is_text or (_is_small(one) and _is_small(other))):
        try:
            return Const(walker.module, node, compute(one, other))
        except (ArithmeticError, TypeError, ValueError):
            pass
    return Operation(walker.module, node, symbol, operands)


def _is_small(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < MAX_NUMBER


def _unary(walker: Walker, node: ast.UnaryOp) -> Value:
    operand = walker.read(node.operand)
    symbol = OPERATORS.get(type(node.op), "?")
    if symbol == "not":
        known = truth(operand)
        return Const(walker.module, node, not known) if known is not None else Operation(walker.module, node, symbol, (operand,))
    value = constant(operand)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and symbol in ("neg", "pos"):
        return Const(walker.module, node, -value if symbol == "neg" else value)
    return Operation(walker.module, node, symbol, (operand,))


def _bool(walker: Walker, node: ast.BoolOp) -> Value:
    operands = tuple(walker.read(entry) for entry in node.values)
    symbol = OPERATORS[type(node.op)]
    known = [truth(entry) for entry in operands]
    if symbol == "and" and False in known:
        return Const(walker.module, node, False)
    if symbol == "or" and True in known and known.index(True) == 0:
        return operands[0]
    if None not in known:
        return Const(walker.module, node, all(known) if symbol == "and" else any(known))
    if symbol == "or" and all(not isinstance(plain(entry), Operation) for entry in operands):
        return choice(walker.module, node, operands)
    return Operation(walker.module, node, symbol, operands)


def _compare(walker: Walker, node: ast.Compare) -> Value:
    operands = tuple(walker.read(entry) for entry in (node.left, *node.comparators))
    if len(node.ops) > 1:
        return Operation(walker.module, node, "chain", operands)
    symbol = OPERATORS.get(type(node.ops[0]), "?")
    known = _compared(symbol, *operands)
    return Const(walker.module, node, known) if known is not None else Operation(walker.module, node, symbol, operands)


def _compared(symbol: str, left: Value, right: Value) -> bool | None:
    if symbol in ("==", "is", "!=", "is not"):
        same = compared_types(left, right)
        if same is not None:
            return same is (symbol in ("==", "is"))
    one, other = constant(left), constant(right)
    if symbol in ("in", "not in") and one is not ...:
        inner = plain(right)
        if isinstance(inner, Display) and not inner.is_open and all(isinstance(plain(entry), Const) for entry in inner.items):
            return (one in [constant(entry) for entry in inner.items]) is (symbol == "in")
        return None
    if symbol in ("is", "is not") and other is None and isinstance(plain(left), (Call, Function, Display, Mapping, Repeated)):
        maker = plain(left)
        if isinstance(maker, Call) and (maker.method or not maker.short[:1].isupper()):
            return None  # a function may give None
        return symbol == "is not"
    if one is ... or other is ... or symbol not in _COMPARISONS:
        return None
    try:
        return bool(_COMPARISONS[symbol](one, other))
    except TypeError:
        return None


def _either(walker: Walker, node: ast.IfExp) -> Value:
    test = walker.read(node.test)
    known = truth(test)
    if known is not None:
        return walker.read(node.body if known else node.orelse)
    branch = Branch(walker.module, node, test)
    walker.emit(branch)
    found = []
    for part in (node.body, node.orelse):
        block = Block()
        branch.arms.append(block)
        with walker.within(branch, block):
            found.append(walker.read(part))
    return choice(walker.module, node, found)


def _lambda(walker: Walker, node: ast.Lambda) -> Value:
    return Function(walker.module, node, walker.frame)


def _text(walker: Walker, node: ast.JoinedStr) -> Value:
    parts: list[Value] = []
    for entry in node.values:
        if isinstance(entry, ast.FormattedValue):
            spec = entry.format_spec
            words = spec.values if isinstance(spec, ast.JoinedStr) else []
            written = "".join(str(word.value) for word in words if isinstance(word, ast.Constant))
            parts.append(Formatted(walker.module, entry, walker.read(entry.value), written))
        elif isinstance(entry, ast.Constant):
            parts.append(Const(walker.module, entry, entry.value))
    return Text(walker.module, node, tuple(parts))


def _named(walker: Walker, node: ast.NamedExpr) -> Value:
    value = walker.read(node.value)
    assign(walker, node.target, value)
    return value


def _awaited(walker: Walker, node: ast.Await) -> Value:
    return walker.read(node.value)


def _yielded(walker: Walker, node: ast.Yield) -> Value:
    if node.value is not None:
        walker.frame.yielded.append(walker.read(node.value))
    return Unknown(walker.module, node)


def _yielded_from(walker: Walker, node: ast.YieldFrom) -> Value:
    walker.frame.yielded.append(element(walker, walker.read(node.value), node))
    return Unknown(walker.module, node)


def _starred(walker: Walker, node: ast.Starred) -> Value:
    return walker.read(node.value)


def child_frame(walker: Walker, node: ast.AST) -> Frame:
    """The frame of a comprehension."""
    return Frame(walker.module, node, walker.frame, walker.frame.owner)


EXPRESSIONS.update(
    {
        ast.Name: _name,
        ast.Constant: _constant,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.Slice: _slice,
        ast.List: _display("list"),
        ast.Tuple: _display("tuple"),
        ast.Set: _display("set"),
        ast.Dict: _dict,
        ast.BinOp: _binary,
        ast.UnaryOp: _unary,
        ast.BoolOp: _bool,
        ast.Compare: _compare,
        ast.IfExp: _either,
        ast.Lambda: _lambda,
        ast.JoinedStr: _text,
        ast.NamedExpr: _named,
        ast.Await: _awaited,
        ast.Yield: _yielded,
        ast.YieldFrom: _yielded_from,
        ast.Starred: _starred,
    }
)
