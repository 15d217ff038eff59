"""EVA131."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import ancestors, body_nodes, functions, is_none_literal, last_name, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

PARSING = re.compile(r"^(?:re\.\w+|json\.loads|ast\.literal_eval|float|int)$")
SEARCHING = frozenset({"search", "match", "findall", "fullmatch", "group"})
# Words of a program that says how many answers could not be read.
SAYS = re.compile(
    r"unpars|invalid|parse[d_ ]*(?:rate|fail|error)|fail|skipp|coverage|refus"
    r"|no_answer|missing|malformed|dropped|excluded|valid_rate|n_valid|num_valid",
    re.IGNORECASE,
)


@rule("EVA131", "answers-left-out", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def answers_left_out(modules: dict[str, Module]) -> Iterator[Violation]:
    """Answers that could not be read are left out of the accuracy.

    What it does:
        Looks at what is read out of answers by a function of the project that searches a text and returns None where it finds nothing.
        Speaks where a loop goes on to the next answer if there is None, and counts the answers after that; and where a list without
        those is what the right ones are divided by. Silent about the mean of what was read itself, such as measurements, and where
        anything in the file is named after answers that fail, or shows them.

    Why it matters:
        A model that answers one question in ten, in the right form, and that one correctly, has 100 %. Methods that change the form of
        the answers can't be compared so (Biderman et al., Lessons from the trenches on reproducible evaluation, 2024).

    Instead:
        Count an answer that can't be read as wrong, or report how many there are beside the accuracy.
    """
    for module in modules.values():
        if SAYS.search(module.text):
            continue
        parsers = {entry.name for entry in functions(module) if _parses(module, entry)}
        if not parsers:
            continue
        for loop in module.of(ast.For):
            yield from _skipped(module, loop, parsers)
        for made in module.of(ast.Assign):
            yield from _filtered(module, made, parsers)


def _parses(module: Module, function: Function) -> bool:
    """Whether a function reads something out of a text, and may return None."""
    nodes = list(body_nodes(function))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    searches = any(PARSING.match(origin(module, call.func)) or last_name(call.func) in SEARCHING for call in calls)
    returned = [node.value for node in nodes if isinstance(node, ast.Return)]
    nothing = [value for value in returned if value is None or _may_be_none(value)]
    return (
        searches
        and bool(nothing)
        and len(function.args.args) >= 1
        and any(value is not None and not is_none_literal(value) for value in returned)
    )


def _may_be_none(node: ast.expr) -> bool:
    return is_none_literal(node) or (isinstance(node, ast.IfExp) and (is_none_literal(node.body) or is_none_literal(node.orelse)))


def _skipped(module: Module, loop: ast.For, parsers: set[str]) -> Iterator[Violation]:
    """A loop that goes on without counting."""
    parsed: set[str] = set()
    skip: ast.If | None = None
    for statement in loop.body:
        if isinstance(statement, ast.Assign) and _is_parsed(statement.value, parsers) and isinstance(statement.targets[0], ast.Name):
            parsed.add(statement.targets[0].id)
        elif isinstance(statement, ast.If) and not statement.orelse and _asks_none(statement.test, parsed, ast.Is):
            if not (len(statement.body) == 1 and isinstance(statement.body[0], ast.Continue)):
                return
            skip = statement
        elif isinstance(statement, ast.If) and not statement.orelse and _asks_none(statement.test, parsed, ast.IsNot):
            skip = statement
            found = _divided(module, loop, list(statement.body))
            if found is not None:
                yield _violation(module, found, skip)
            return
        elif skip is None and isinstance(statement, ast.AugAssign):
            continue
    if skip is not None:
        found = _divided(module, loop, loop.body[loop.body.index(skip) + 1 :])
        if found is not None:
            yield _violation(module, found, skip)


def _violation(module: Module, at: ast.AST, skip: ast.AST) -> Violation:
    return Violation(
        module.location(at),
        "answers that can't be read are left out of what the right ones are divided by",
        "count them as wrong, or report how many there are",
        related=(Related(location=module.location(skip), label="they are left out here"),),
    )


def _is_parsed(node: ast.expr, parsers: set[str]) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in parsers


def _asks_none(test: ast.expr, parsed: set[str], kind: type[ast.cmpop]) -> bool:
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name)):
        return False
    return test.left.id in parsed and isinstance(test.ops[0], kind) and is_none_literal(test.comparators[0])


def _divided(module: Module, loop: ast.For, counting: list[ast.stmt]) -> ast.BinOp | None:
    """The quotient of what only the answers that were read add to: right ones by all of them."""
    right: set[str] = set()
    seen: set[str] = set()
    for statement in counting:
        for node in ast.walk(statement):
            if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
                is_one = isinstance(node.value, ast.Constant) and node.value.value == 1
                if isinstance(node.value, ast.Name):
                    continue  # the mean of what was read: measurements, of which some are missing
                (seen if is_one and node in counting else right).add(node.target.id)
    if not right or not seen:
        return None
    scope = next(
        (parent for parent in ancestors(module, loop) if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module))), None
    )
    for node in ast.walk(scope) if scope is not None else ():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and node.lineno > loop.lineno:
            over = (
                node.right.args[0]
                if isinstance(node.right, ast.Call) and last_name(node.right.func) == "max" and node.right.args
                else node.right
            )
            if isinstance(node.left, ast.Name) and isinstance(over, ast.Name) and node.left.id in right and over.id in seen:
                return node
    return None


def _filtered(module: Module, made: ast.Assign, parsers: set[str]) -> Iterator[Violation]:
    """`valid = [(p, a) for p, a in pairs if p is not None]`, and then `sum(…) / len(valid)`."""
    target, value = made.targets[0], made.value
    if not (isinstance(target, ast.Name) and isinstance(value, ast.ListComp) and len(value.generators) == 1):
        return
    turn = value.generators[0]
    names = {entry.id for entry in ast.walk(turn.target) if isinstance(entry, ast.Name)}
    if not (len(turn.ifs) == 1 and _asks_none(turn.ifs[0], names, ast.IsNot) and isinstance(turn.iter, ast.Name)):
        return
    sources = module.assigned.get(turn.iter.id, []) or [
        entry.value for entry in module.of(ast.Assign) if isinstance(entry.targets[0], ast.Name) and entry.targets[0].id == turn.iter.id
    ]
    if not any(_is_parsed(inner, parsers) for source in sources for inner in ast.walk(source) if isinstance(inner, ast.expr)):
        return
    for node in module.of(ast.BinOp):
        over = node.right
        if not (isinstance(node.op, ast.Div) and isinstance(over, ast.Call) and last_name(over.func) == "len" and len(over.args) == 1):
            continue
        counted = over.args[0]
        if (
            isinstance(counted, ast.Name)
            and counted.id == target.id
            and isinstance(node.left, ast.Call)
            and last_name(node.left.func) == "sum"
            and not (node.left.args and isinstance(node.left.args[0], ast.Name) and node.left.args[0].id == target.id)
        ):
            yield _violation(module, node, made)
            return


PROGRAM = """import json
import re


def read(text):
    found = re.search(r"answer is (\\d+)", text)
    return {read}


def score(rows):
    correct, total = 0, 0
    for row in rows:
        {before}
        guess = read(row["text"])
        {after}
    return correct / total


print(score(json.load(open("rows.json"))))
"""
WHOLE = """import json
import re


def read(text):
    found = re.findall(r"[A-D]", text)
    if not found:
        return None
    return found[-1]


rows = json.load(open("rows.json"))
pairs = [(read(row["text"]), row["wanted"]) for row in rows]
known = [(guess, wanted) for guess, wanted in pairs if guess is not None]
print(sum(guess == wanted for guess, wanted in known) / {over})
"""
FOUND = "int(found.group(1)) if found else None"
SKIP = 'if guess is None:\n            continue\n        total += 1\n        correct += int(guess == row["wanted"])'
ASK = 'if guess is not None:\n            total += 1\n            correct += int(guess == row["wanted"])'
HERE = "  # <- here"


def _program(before: str = "print(row)", after: str = SKIP, read: str = FOUND, marker: str = "") -> str:
    return PROGRAM.format(before=before, after=after, read=read).replace("return correct / total", f"return correct / total{marker}")


BAD = [
    program(_program(marker=HERE)),
    program(_program(after=ASK, marker=HERE)),
    program(WHOLE.format(over=f"len(known)){HERE}").replace(f"){HERE})", f"){HERE}")),
]
GOOD = [
    program(_program("total += 1", SKIP.replace("        total += 1\n", ""))),
    program(_program(read="int(found.group(1)) if found else -1")),
    program(_program(after=SKIP.replace("continue", 'print("unparsed", row)\n            continue'))),
    program(_program(after='total += 1\n        if guess is None:\n            continue\n        correct += int(guess == row["wanted"])')),
    program(WHOLE.format(over="len(pairs)")),
]
