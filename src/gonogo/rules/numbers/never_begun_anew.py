"""NUM135."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

SUMS = re.compile(r"loss|correct|right|(?:^|_)acc|error|hits|running|score|metric", re.IGNORECASE)
OVERALL = re.compile(r"cum|overall|(?:^|_)all|global|lifetime|ema|smooth|step|iter|avg|average", re.IGNORECASE)
EPOCHS = re.compile(r"epoch|(?:^|_)ep(?:_|$)", re.IGNORECASE)
LOOPS = (ast.For, ast.While)
MOST_USES = 400  # of a name that anybody wrote by hand


@rule("NUM135", "never-begun-anew", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def never_begun_anew(modules: dict[str, Module]) -> Iterator[Violation]:
    """A sum over the batches of an epoch is never set back to zero for the next one.

    What it does:
        Looks at a loss, or a count of right answers, that is added up in a loop over batches within another loop, begins before that
        outer one and is set nowhere in it. Speaks where the outer loop divides it by the length of what the inner one goes through.
        A warning where it is divided by a count that grows in the same way: a mean over all epochs so far. What is divided by the number of
        epochs as well, and counters of steps and rows, are left alone.

    Why it matters:
        The number of the second epoch holds the first one's as well, and so on: a loss that falls seems to rise, an accuracy goes beyond
        one, and the best epoch is the last.

    Instead:
        Set it to zero at the beginning of each epoch.
    """
    for module in modules.values():
        seen: set[tuple[str, int]] = set()
        for change in module.of(ast.AugAssign):
            found = _found(module, change, seen)
            if found is not None:
                yield found


def _found(module: Module, change: ast.AugAssign, seen: set[tuple[str, int]]) -> Violation | None:
    name = change.target.id if isinstance(change.target, ast.Name) else ""
    if not isinstance(change.op, ast.Add) or not SUMS.search(name) or OVERALL.search(name) or isinstance(change.value, ast.Constant):
        return None
    around = _loops(module, change)
    inner, outer = around if len(around) == 2 else (None, None)
    if not isinstance(inner, ast.For) or outer is None:
        return None
    if (name, id(outer)) in seen or len(module.named.get(name, ())) > MOST_USES:
        return None
    seen.add((name, id(outer)))
    if _turns_once(outer) or not _begins_before(module, name, outer, change):
        return None
    for use in module.named.get(name, ()):
        if not isinstance(use.ctx, ast.Load) or not _is_within(module, use, outer) or _is_within(module, use, inner):
            continue
        division = _division(module, use)
        if division is None or _names(outer) & _names_of(_whole(module, division)):
            continue
        sure = _is_length_of(division.right, inner)
        if sure or (EPOCHS.search(" ".join(_names(outer))) and _grows_alike(module, division.right, outer, inner)):
            return Violation(
                module.location(division),
                f"`{name}` is never set back: it holds the batches of all epochs so far",
                "set it to zero at the beginning of each epoch",
                related=(Related(location=module.location(change), label="it is added up here"),),
                certainty=None if sure else Certainty.LIKELY,
                severity=None if sure else Severity.WARNING,
            )
    return None


def _loops(module: Module, node: ast.AST) -> list[ast.For | ast.While]:
    """The loops around a statement within its function, innermost first."""
    found: list[ast.For | ast.While] = []
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            break
        if isinstance(parent, LOOPS):
            found.append(parent)
    return found


def _turns_once(outer: ast.For | ast.While) -> bool:
    """Whether a loop has one turn only, or is left at the end of its first one."""
    if isinstance(outer, ast.For) and isinstance(outer.iter, ast.Call) and last_name(outer.iter.func) == "range":
        last = outer.iter.args[-1] if len(outer.iter.args) == 1 else None
        if isinstance(last, ast.Constant) and last.value == 1:
            return True
    return isinstance(outer.body[-1], (ast.Break, ast.Return))


def _begins_before(module: Module, name: str, outer: ast.AST, change: ast.AugAssign) -> bool:
    """Whether a sum is set in its function, and nowhere in the loop but where it is added up."""
    home = enclosing_function(module, change)
    stores = [
        use
        for use in module.named.get(name, ())
        if not isinstance(use.ctx, ast.Load) and use is not change.target and enclosing_function(module, use) is home
    ]
    return bool(stores) and not any(_is_within(module, use, outer) for use in stores)


def _is_within(module: Module, node: ast.AST, outer: ast.AST) -> bool:
    return any(parent is outer for parent in ancestors(module, node))


def _division(module: Module, use: ast.AST) -> ast.BinOp | None:
    """The quotient whose dividend a sum is, perhaps times a number or converted."""
    inner = use
    for parent in ancestors(module, use):
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div):
            return parent if parent.left is inner else None
        is_multiple = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
        is_converted = isinstance(parent, ast.Call) and last_name(parent.func) in ("float", "item", "cpu", "double")
        if not is_multiple and not is_converted and not isinstance(parent, ast.Attribute):
            return None
        inner = parent
    return None


def _whole(module: Module, node: ast.AST) -> ast.AST:
    """The outermost expression of sums and quotients around a node."""
    whole = node
    for parent in ancestors(module, node):
        if not isinstance(parent, ast.BinOp):
            break
        whole = parent
    return whole


def _names(loop: ast.For | ast.While) -> set[str]:
    return _names_of(loop.target if isinstance(loop, ast.For) else loop.test)


def _names_of(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _is_length_of(divisor: ast.expr, inner: ast.For) -> bool:
    """Whether a divisor is `len(loader)`, or `len(loader.dataset)`, of what the inner loop goes through."""
    if not (isinstance(divisor, ast.Call) and last_name(divisor.func) == "len" and len(divisor.args) == 1):
        return False
    counted = divisor.args[0]
    if isinstance(counted, ast.Attribute) and counted.attr == "dataset":
        counted = counted.value
    shown = ast.unparse(counted)
    through: ast.expr = inner.iter
    while isinstance(through, ast.Call) and through.args and last_name(through.func) in ("enumerate", "tqdm", "track", "iter", "islice"):
        through = through.args[0]
    return ast.unparse(through) == shown


def _grows_alike(module: Module, divisor: ast.expr, outer: ast.AST, inner: ast.AST) -> bool:
    """Whether a divisor is a name that the same loops add up and never set back."""
    if not isinstance(divisor, ast.Name):
        return False
    for use in module.named.get(divisor.id, ()):
        change = module.parents.get(use)
        if isinstance(change, ast.AugAssign) and change.target is use and _is_within(module, change, inner):
            return isinstance(change.op, ast.Add) and _begins_before(module, divisor.id, outer, change)
    return False


PROGRAM = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
train_loader = DataLoader(TensorDataset(*torch.load("rows.pt")), batch_size=32, shuffle=True)
running_loss, correct, seen = 0.0, 0, 0
for epoch in range({epochs}):
    {first}
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        outputs = network(inputs)
        loss = nn.functional.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        correct += (outputs.argmax(1) == labels).sum().item()
        seen += len(labels)
    {shown}
"""
HERE = "  # <- here"


def _program(shown: str, first: str = "network.train()", epochs: str = "10") -> str:
    return PROGRAM.format(shown=shown, first=first, epochs=epochs)


BAD = [
    program(_program(f"print(epoch, running_loss / len(train_loader)){HERE}")),
    program(_program(f'print(f"accuracy {{100.0 * correct / len(train_loader.dataset):.2f}}"){HERE}')),
    program(_program(f"print(epoch, correct / seen){HERE}")),
]
GOOD = [
    program(_program("print(epoch, running_loss / len(train_loader))", "running_loss = 0.0")),
    program(_program("print(epoch, running_loss / len(train_loader) / (epoch + 1))")),
    program(_program("print(epoch, seen / len(train_loader.dataset))")),
    program(_program("print(epoch, running_loss / len(train_loader))\n    running_loss = 0.0")),
    program(_program("print(epoch, running_loss / len(train_loader))", epochs="1")),
]
