"""SCI131."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Gives, Happening
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Mapping, Value, plain, text
from gonogo.analysis.numbers.easier import Easier, easier
from gonogo.analysis.numbers.reported import reported
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation
from gonogo.rules.scores import is_accuracy

# By kind: the words of names and texts that say openly what is counted.
_SAYS = {
    kind: re.compile(words, re.IGNORECASE)
    for kind, words in {
        "several": r"top[-_ ]?(?:k|n|[2-9]|\d\d|three|five|ten)|acc(?:uracy)?[-_ @]{0,2}[2-9k]|hits?[-_ @]|recall[-_ @]|candidates|beam",
        "groups": r"coarse|super|group|hierarch|parent|famil|genus|parity|categor|cluster|binary|bucket|bin(?:s|ned)?(?![a-z])",
        "near": r"within|near|adjacent|off[-_ ]?by|toleran|ordinal|neighbou?r|margin|close",
        "sure": r"confiden|selectiv|coverage|abstain|abstention|reject|pseudo|accepted|kept|certain|retain|filter|risk",
        "also": r"abstain|abstention|rejection|lenient|optimistic|upper[-_ ]?bound|oracle",
    }.items()
}

# Words of keys that leave it open what is counted: which rows, when, and how often. Any other word may say that it is another number.
_PLAIN = re.compile(
    r"acc(?:uracy)?s?|test(?:ing)?|val(?:id|idation)?|eval(?:uation)?|dev|train(?:ing)?|final|best|last|mean|avg|average|overall|total|epoch|"
    r"model|score|batch|stream|running|step|metrics?|results?|top|percent|pct|clean|source|target|online|before|after|initial|start|end|\*|1|0",
    re.IGNORECASE,
)


@rule("SCI131", "easier-metric", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def easier_metric(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """What is called the accuracy is an easier number.

    What it does:
        Follows each number that is reported as an accuracy back to what it counts. Speaks where a row is right if its label is among
        several answers (`topk(5)`), if it is in the same group of classes as the answer, or one off, or if the network's outputs alone say
        so (`(predicted == labels) | unsure`), and where only rows count of which
        the network is sure by its own outputs, or that are chosen by whether they are right. A warning where the code says so in words
        near by, such as "top-5" or "coverage", and where the key has a word of its own (`shape_accuracy`). Silent where the key says it,
        where it has a word of its own and the accuracy is reported beside it, and where rows are left out by their labels, as those of
        padding are.

    Why it matters:
        Readers take `test_accuracy` for the share of rows whose one answer is right, and compare it with others. An accuracy over the
        rows that are easy is high for every network.

    Instead:
        Report the share over all rows with one answer each, and the other number under its own name beside it.
    """
    yield from by_place(found for walked in programs for found in _found(walked, modules))


def _found(walked: Program, modules: dict[str, Module]) -> Iterator[Violation]:
    claimed = [entry for entry in _claimed(walked) if is_accuracy(entry[0]) and not _says_so(entry[0])]
    judged = [(key, easier(value), at) for key, value, at in claimed]
    is_beside = any(found is None and _is_plain(key) for key, found, _ in judged)
    for key, found, at in judged:
        if found is not None and not (is_beside and not _is_plain(key)):
            yield violation(
                found.at,
                f"`{key}` counts {found.what}: it is no accuracy",
                "count one answer for each row, and report the other number under a name of its own",
                related=((at, "it is reported here"),),
                severity=Severity.WARNING if not _is_plain(key) or _is_said(found, at, modules, walked) else None,
            )


def _says_so(key: str) -> bool:
    """Whether a key says itself that it is an easier number; so does what stands after an `@`."""
    return "@" in key or any(pattern.search(key) for pattern in _SAYS.values())


def _is_plain(key: str) -> bool:
    """Whether a key says no more than that it is the accuracy, of some rows at some time."""
    return all(_PLAIN.fullmatch(word) for word in re.split(r"[^A-Za-z0-9*]+|(?<=[a-z])(?=[A-Z])", key) if word)


def _claimed(walked: Program) -> Iterator[tuple[str, Value, Happening]]:
    """What is reported under a name, logged by a module of Lightning, or returned in a dict."""
    for number in walked.known(reported):
        yield number.key, number.value, number.at
    for event in walked.calls("log"):
        name = text(event.call.argument(0, "name"))
        value = event.call.argument(1, "value")
        if name is not None and value is not None:
            yield name, value, event
    for gives in walked.all(Gives):
        given = plain(gives.value) if gives.value is not None else None
        for entry, value in given.entries if isinstance(given, Mapping) else ():
            name = text(entry)
            if name is not None:
                yield name, value, gives


def _is_said(found: Easier, at: Happening, modules: dict[str, Module], walked: Program) -> bool:
    """Whether words near the score, in a text of the project, or another key say what is counted."""
    pattern = _SAYS[found.kind]
    given = plain(at.value) if isinstance(at, Gives) and at.value is not None else None
    if isinstance(given, Mapping) and any(pattern.search(text(entry) or "") for entry, _ in given.entries):
        return True
    if any(pattern.search(number.key) for number in walked.known(reported)):
        return True
    for parent in ancestors(found.at.module, found.at.node):
        if isinstance(parent, (ast.FunctionDef, ast.ClassDef)) and pattern.search(parent.name):
            return True
        if isinstance(parent, ast.Assign) and any(pattern.search(ast.unparse(target)) for target in parent.targets):
            return True
    first = getattr(found.at.node, "lineno", 1)
    around = found.at.module.lines[max(first - 4, 0) : first + 2]
    said = [line.partition("#")[2] for line in around]
    return any(pattern.search(entry) for entry in [*said, *(doc for module in modules.values() for doc in _docs(module))])


def _docs(module: Module) -> Iterator[str]:
    """The docstrings of a module."""
    for node in (module.tree, *module.of(ast.FunctionDef, ast.ClassDef)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            yield ast.get_docstring(node) or ""


_SCORED = "    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()\n"
_TESTED = "    test_accuracy, test_loss = score(logits, labels)\n"
HERE = "  # <- here"


def _scored(right: str, before: str = "", name: str = "accuracy") -> Tree:
    lines = f"{before}    {name} = {right}\n" + ("" if name == "accuracy" else f"    accuracy = {name}\n")
    return Tree({"src/model.py": Edit(_SCORED, lines)})


def _tested(rows: str, before: str) -> Tree:
    return Tree({"src/train.py": Edit(_TESTED, f"{before}    test_accuracy, test_loss = score(logits{rows}, labels{rows})\n")})


PROGRAM = """import numpy as np
import torch
import wandb
from sklearn.metrics import accuracy_score, top_k_accuracy_score

wandb.init()
model = torch.nn.Linear(4, 10)
inputs, labels = torch.load("test.pt")
logits = model(inputs)
{lines}
share = {score}
wandb.log({{"{key}": share}})
"""


def _program(lines: str, score: str, key: str = "test_accuracy") -> Tree:
    return program(PROGRAM.format(lines=lines, score=score, key=key))


_SURE = "sure = logits.softmax(dim=1).max(dim=1).values > 0.9\n"
_CASCADE = f"""{_SURE}easy = (logits[sure].argmax(1) == labels[sure]).float().mean()
hard = (torch.load("large.pt")(inputs[~sure]).argmax(1) == labels[~sure]).float().mean()"""


def _beside(score: str, key: str) -> Tree:
    """A number under its own name, beside the accuracy."""
    return _program('right = logits.argmax(1) == labels\nwandb.log({"accuracy": right.float().mean()})', score, key)


BAD = [
    _scored(f"(logits.topk(3, dim=1).indices == labels[:, None]).any(dim=1).float().mean().item(){HERE}"),
    _scored(f"(logits.argmax(dim=1) // 5 == labels // 5).float().mean().item(){HERE}"),
    _scored(f"((logits.argmax(dim=1) - labels).abs() <= 1).float().mean().item(){HERE}"),
    _scored(f"(logits.argsort(dim=1)[:, -3:] == labels[:, None]).any(dim=1).float().mean().item(){HERE}"),
    _scored(f"torch.isin(labels, logits.topk(k=5)[1]).float().mean().item(){HERE}"),
    _program(f"{_SURE}right = logits.argmax(1) == labels", f"right[sure].float().mean(){HERE}"),
    _program(f"{_SURE}correct = (logits[sure].argmax(1) == labels[sure]).sum(){HERE}", "correct / sure.sum()"),
    _program("", f"top_k_accuracy_score(labels, logits.detach().numpy(), k=5){HERE}"),
    _program("table = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])", f"(table[logits.argmax(1)] == table[labels]).float().mean(){HERE}"),
    _program("good = (logits.argmax(1) == labels) | (labels > 4)", f"(logits[good].argmax(1) == labels[good]).float().mean(){HERE}"),
    _scored(f"((logits.argmax(dim=1) == labels) | (logits.softmax(dim=1).max(dim=1).values < 0.9)).float().mean().item(){HERE}"),
    _scored(f"torch.logical_or(logits.argmax(dim=1) == labels, logits.isnan().any(dim=1)).float().mean().item(){HERE}"),
    _scored(f"torch.where(logits.amax(dim=1) < 1.0, True, logits.argmax(dim=1) == labels).float().mean().item(){HERE}"),
    _program(f"{_SURE}right = (logits.argmax(1) == labels) | ~sure{HERE}", "right.sum() / len(labels)"),
    _program("probs = logits.softmax(1)\nlow = probs.max(1)[0] < 0.5", f"(low | (probs.argmax(1).eq(labels))).float().mean(){HERE}"),
    _program("low = logits.std(1) < 1", f"(logits.argmax(1) == labels).masked_fill(low, True).float().mean(){HERE}"),
    _program("low = logits.std(1) < 1", f"np.logical_or((logits.argmax(1) == labels).numpy(), low.numpy()).mean(){HERE}"),
    _program(
        f"right = []\nfor _ in range(2):\n    right.extend(((logits.argmax(1) // 2) == (labels // 2)).tolist()){HERE}",
        "sum(right) / len(right)",
    ),
    _program(
        f"right = []\nfor _ in range(2):\n    right.append(((logits.argmax(1) - labels).abs() < 2).float().mean()){HERE}", "np.mean(right)"
    ),
    _program(
        f"right = []\nfor _ in range(2):\n    right += ((logits.argmax(1) == labels) | (logits.std(1) < 1)).tolist(){HERE}",
        "np.mean(right)",
    ),
    _program("order = (-logits.softmax(1).max(1).values).argsort()[:50]", f"accuracy_score(labels[order], logits[order].argmax(1)){HERE}"),
]
GOOD = [
    _program("right = []\nfor _ in range(2):\n    right.extend((logits.argmax(1) == labels).tolist())", "sum(right) / len(right)"),
    _program("right = [0]\nfor _ in range(2):\n    right.append((logits.topk(5)[1] == labels[:, None]).any(1).float().mean())", "right[0]"),
    _scored("((logits.argmax(dim=1) == labels) | (logits.argmax(dim=1) == labels.roll(1))).float().mean().item()"),
    _scored("((logits.argmax(dim=1) == labels) | (labels < 0)).float().mean().item()"),
    _scored("((logits.argmax(dim=1) == labels) & (logits.amax(dim=1) > 0.5)).float().mean().item()"),
    _program("second = torch.load('b.pt')", "((logits.argmax(1) == labels) | (logits.argsort(1)[:, -1] == second)).float().mean()"),
    _program("pad = inputs[:, 0] == 0", "((logits.argmax(1) == labels) | pad).float().mean()"),
    _program("low = logits.std(1) < 1", "((logits.argmax(1) == labels) | low).float().mean()", "accuracy_with_rejection"),
    _program("right = logits.argmax(1) == labels", "((right | logits.isnan().any(1)) & right).float().mean()"),
    _scored("(logits.topk(1, dim=1).indices == labels[:, None]).any(dim=1).float().mean().item()"),
    _scored("(logits.topk(3, dim=1).indices[:, 0] == labels).float().mean().item()"),
    _tested("[known]", "    known = labels >= 0\n"),
    _tested("[:200]", ""),
    _program("", "(logits.topk(5).indices == labels[:, None]).any(1).float().mean()", "test_top5_accuracy"),
    _program("", "(logits.argmax(1) // 5 == labels // 5).float().mean()", "coarse_accuracy"),
    _program("names = ['a', 'b', 'c']", "accuracy_score([names[k] for k in labels], [names[k] for k in logits.argmax(1)])"),
    _program("table = torch.tensor([2, 0, 1])", "(table[logits.argmax(1)] == table[labels]).float().mean()"),
    _program("mask = labels != -100", "(logits.argmax(1)[mask] == labels[mask]).float().mean()"),
    _program("clean = model(inputs.round()).argmax(1) == labels", "(logits.argmax(1)[clean] == labels[clean]).float().mean()"),
    _program(_SURE, "(logits[sure].argmax(1) == labels[sure]).float().mean()", "selective_accuracy"),
    _program(_SURE, "(logits[sure].argmax(1) == labels[sure]).float().mean()", "accuracy@0.9"),
    _program("hits = logits.topk(5).indices == labels[:, None]", "hits[:, 0].float().mean()"),
    _program("hits = (logits.topk(5).indices == labels[:, None]).float()", "hits.mean(0)[0]"),
    _program("hits = logits.topk(5, 1)[1].t() == labels", "hits[:1].reshape(-1).float().sum(0) / len(labels)"),
    _program("order = (-logits.softmax(1).max(1).values).argsort()", "accuracy_score(labels[order], logits[order].argmax(1))"),
    _program("merged = torch.tensor([0, 1, 2, 3, 3])", "(merged[logits.argmax(1)] == merged[labels]).float().mean()"),
    _program(_CASCADE, "sure.float().mean() * easy + (~sure).float().mean() * hard"),
    _beside("(logits.argmax(1) % 5 == labels % 5).float().mean()", "shape_accuracy"),
    _beside("right[logits.softmax(1).max(1).values > 0.9].float().mean()", "exit1/accuracy"),
]
