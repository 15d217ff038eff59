"""SCI145."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import enclosing_function, last_name, origin, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

LEVEL = re.compile(r"^(?:alpha|sig(?:nificance)?_level|significance|ALPHA|SIGNIFICANCE_LEVEL|level)$")
LEVELS = (0.1, 0.05, 0.01, 0.005, 0.001)
NAMED = re.compile(
    r"^(?:is_|are_)?(?:statistically_)?(?:significant|sig|reject|rejected|reject_null|reject_h0|null_rejected)(?:ly_different)?$", re.I
)
YES = re.compile(r"significant|reject", re.I)
NO = re.compile(r"\bnot?\b|\bn\.s\b|insignificant|non-?significant|fail|cannot|can't|accept|keep|retain|without|lack|isn't|aren't|\?", re.I)
# Tests for which a large p-value is the wanted answer are often described by what they don't reject.
ASSUMPTIONS = frozenset({"shapiro", "levene", "bartlett", "normaltest", "anderson", "kstest", "adfuller", "kpss", "jarque_bera", "fligner"})


@rule("SCI145", "significance-inverted", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def significance_inverted(modules: dict[str, Module]) -> Iterator[Violation]:
    """A difference is called significant where its p-value is large.

    What it does:
        Looks at comparisons of the p-value of a test of SciPy with a level (0.05, `alpha`). Speaks where the p-value being larger is
        stored under a name such as `significant` or `reject_null`, or leads to a text that says so; or being smaller to one that says the
        contrary alone. Tests of assumptions, such as normality, are left alone.

    Why it matters:
        Every conclusion is the opposite: chance is published, and what was found is thrown away (Wasserstein and Lazar, The ASA statement
        on p-values, 2016).

    Instead:
        Compare the other way round: `p < alpha`.
    """
    for module in modules.values():
        for node in module.of(ast.Compare):
            if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE)) or not _is_level(node.comparators[0]):
                continue
            made = _made(module, node.left)
            if made is None or last_name(made.func) in ASSUMPTIONS:
                continue
            is_small = isinstance(node.ops[0], (ast.Lt, ast.LtE))
            if _leads_to_the_contrary(module, node) if is_small else _is_called_significant(module, node):
                yield Violation(
                    module.location(node),
                    "what is called significant has a p-value above the level",
                    "compare the other way round",
                    related=(Related(location=module.location(made), label="the p-value is computed here"),),
                )


def _is_level(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value in LEVELS
    return LEVEL.match(last_name(node)) is not None


def _made(module: Module, node: ast.expr) -> ast.Call | None:
    """The call of SciPy whose p-value an expression is."""
    if isinstance(node, ast.Attribute) and node.attr == "pvalue":
        return _test(module, node.value) if isinstance(node.value, ast.Call) else _result(module, node.value, None)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == 1:
        return _test(module, node.value) if isinstance(node.value, ast.Call) else _result(module, node.value, None)
    return _result(module, node, 1)


def _result(module: Module, name: ast.expr, place: int | None) -> ast.Call | None:
    """The test that the nearest assignment before gives to a name: its result.

    Or one of the two values of it.
    """
    if not isinstance(name, ast.Name):
        return None
    home = enclosing_function(module, name)
    found: ast.Call | None = None
    for node in module.of(ast.Assign):
        if enclosing_function(module, node) is not home or node.lineno > name.lineno:
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and any(isinstance(part, ast.Name) and part.id == name.id for part in target.elts):
                is_second = len(target.elts) == 2 and isinstance(target.elts[1], ast.Name) and target.elts[1].id == name.id
                found = _test(module, node.value) if is_second and place == 1 else None
            elif isinstance(target, ast.Name) and target.id == name.id:
                found = _test(module, node.value if place is None else _whole(node.value))
    return found


def _whole(value: ast.expr) -> ast.expr | None:
    """The result whose p-value an expression takes: `result.pvalue`, `result[1]`."""
    if isinstance(value, ast.Attribute) and value.attr == "pvalue":
        return value.value
    is_second = isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant) and value.slice.value == 1
    return value.value if is_second and isinstance(value, ast.Subscript) else None


def _test(module: Module, node: ast.expr | None) -> ast.Call | None:
    return node if isinstance(node, ast.Call) and origin(module, node.func).startswith("scipy.stats.") else None


def _is_called_significant(module: Module, node: ast.Compare) -> bool:
    """Whether the truth of a comparison is stored under such a name, or leads to such a text."""
    inner: ast.AST = node
    parent = module.parents.get(node)
    while isinstance(parent, ast.Call) and last_name(parent.func) in ("bool", "bool_", "int") and inner in parent.args:
        inner, parent = parent, module.parents.get(parent)
    if isinstance(parent, ast.Assign):
        return any(NAMED.match(last_name(target) or _key(target)) for target in parent.targets)
    if isinstance(parent, ast.keyword):
        return NAMED.match(parent.arg or "") is not None
    if isinstance(parent, ast.Dict):
        return any(value is inner and NAMED.match(text_of(key) or "") for key, value in zip(parent.keys, parent.values, strict=True))
    if isinstance(parent, ast.IfExp) and parent.test is inner:
        return _says(ast.unparse(parent.body)) is True and _says(ast.unparse(parent.orelse)) is not True
    if isinstance(parent, ast.If) and parent.test is inner:
        body, orelse = (_said(part) for part in (parent.body, parent.orelse))
        return body is True and orelse is not True
    return False


def _leads_to_the_contrary(module: Module, node: ast.Compare) -> bool:
    """Whether a small p-value leads to a text that says that there is no effect.

    And a large one to a text that says that there is.
    """
    parent = module.parents.get(node)
    if isinstance(parent, ast.If) and parent.test is node:
        return _said(parent.body) is False and _said(parent.orelse) is True
    if isinstance(parent, ast.IfExp) and parent.test is node:
        return _says(ast.unparse(parent.body)) is False and _says(ast.unparse(parent.orelse)) is True
    return False


def _key(node: ast.expr) -> str:
    return (text_of(node.slice) or "") if isinstance(node, ast.Subscript) else ""


def _said(body: list[ast.stmt]) -> bool | None:
    texts = [
        inner.value
        for statement in body
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
    ]
    return _says(" ".join(texts))


def _says(text: str) -> bool | None:
    """Whether a text says that there is an effect; None where it says neither."""
    if not YES.search(text):
        return None
    return NO.search(text) is None


PROGRAM = """import numpy as np
from scipy import stats

ALPHA = 0.05
rng = np.random.default_rng(0)
ours, theirs = rng.normal(size=30), rng.normal(size=30)
{code}
print(ours.mean(), theirs.mean())
"""
HERE = "  # <- here"
TEST = "t, p = stats.ttest_rel(ours, theirs)\n"
BAD = [
    program(PROGRAM.format(code=f"{TEST}significant = p > 0.05{HERE}\nprint(significant)")),
    program(PROGRAM.format(code=f'result = stats.wilcoxon(ours, theirs)\nif result.pvalue > ALPHA:{HERE}\n    print("significant")')),
    program(PROGRAM.format(code=f'{TEST}print("significant" if p >= 0.05 else "not significant"){HERE}')),
    program(PROGRAM.format(code=f'p = stats.ttest_ind(ours, theirs)[1]\nprint({{"reject_null": bool(p > ALPHA)}}){HERE}')),
]
BAD += [program(PROGRAM.format(code=f'{TEST}if p < 0.05:{HERE}\n    print("no significant difference")\nelse:\n    print("significant")'))]
GOOD = [
    program(PROGRAM.format(code=f'{TEST}print("reject" if p < 0.05 else "fail to reject")')),
    program(PROGRAM.format(code=f"{TEST}significant = p < 0.05\nprint(significant)")),
    program(PROGRAM.format(code=f'{TEST}if p > 0.05:\n    print("no significant difference")\nelse:\n    print("significant")')),
    program(PROGRAM.format(code=f'{TEST}print("fail to reject" if p > 0.05 else "reject")')),
    program(PROGRAM.format(code="w, p = stats.shapiro(ours)\nis_significant = p > 0.05\nprint(is_significant)")),
    program(PROGRAM.format(code=f"{TEST}normal = p > 0.05\nprint(normal)")),
]
