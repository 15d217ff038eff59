"""LEK120."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Happening, Loop
from gonogo.analysis.dataflow.definitions import Function
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.numbers.origins import Origin, is_batches, loader_of, loader_of_batch, sources_of
from gonogo.analysis.numbers.splits import Split, splits, test_taken_for_train
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.training.loops import TrainingLoop, training_loops
from gonogo.analysis.training.made import loaders_made
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

# Words of methods that learn from the labels of a few examples of a task whose others are then predicted.
ADAPTS = re.compile(
    r"adapt|meta|maml|support|few_?shot|episod|inner|probe|finetune|fine_tune|attack|poison|unlearn|oracle|upper", re.IGNORECASE
)


@rule("LEK120", "trained-on-test-split", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("data",))
def trained_on_test_split(programs: list[Program]) -> Iterator[Violation]:
    """The model learns from the labels of the test split.

    What it does:
        Looks at the loaders that training loops go through, and at what the code calls them. Speaks where a loss that takes the labels of
        a batch is computed on the test split. An error where no training loop goes through the train split that the program makes, else
        a warning. Speaks also where what is named the test split is put under the name of the train split. Few-shot methods, losses
        without labels as in test-time adaptation, and lines that train on the train split under a condition, are left alone.

    Why it matters:
        What the test split says of the model is then no estimate of anything: it has seen the answers.

    Instead:
        Train on the train split, and keep the test split for the last evaluation.
    """
    yield from by_place(found for walked in programs for found in (*_found(walked), *_taken_for_train(walked)))


def _found(walked: Program) -> Iterator[Violation]:
    loops = [(loop, loader) for loop in walked.known(training_loops) if (loader := _loader(loop)) is not None]
    known = splits(walked)
    trained = {known.of(loader) for _, loader in loops}
    for loop, loader in loops:
        if known.of(loader) is not Split.TEST or _is_few_shot(loop) or not _takes_labels(walked, loop, loader):
            continue
        if _may_only_evaluate(loop, [other for other, data in loops if known.of(data) is Split.TRAIN]):
            continue
        has_train = any(known.of(made) is Split.TRAIN for made in walked.gather(loaders_made))
        sure = has_train and Split.TRAIN not in trained and loop.sure
        yield violation(
            loop.loop,
            "the model is trained on the labels of the test split" + (", and never on the train split" if sure else ""),
            "train on the train split",
            sure=sure,
            severity=None if sure else Severity.WARNING,
            related=((loader, "the loader of the test split"),),
        )


def _taken_for_train(walked: Program) -> Iterator[Violation]:
    for at in test_taken_for_train(walked):
        yield violation(at, "the test split is taken for the train split", "train on the train split")


def _loader(loop: TrainingLoop) -> Value | None:
    """The loader that a training loop goes through."""
    around = [loop.loop, *(entry for entry in loop.loop.around() if isinstance(entry, Loop))]
    for entry in around:
        if entry.iterated is not None and is_batches(entry.iterated):
            return loader_of(entry.iterated)
    return None


def _is_few_shot(loop: TrainingLoop) -> bool:
    for entry in loop.loop.around():
        if isinstance(entry, Called):
            callee = entry.call.callee
            name = callee.name if isinstance(callee, Function) else ""
            if ADAPTS.search(name):
                return True
    return False


def _may_only_evaluate(loop: TrainingLoop, training: list[TrainingLoop]) -> bool:
    """Return whether the same lines train on the train split, and the caller decides whether they do.

    An example is `if phase is Phase.TRAIN: loss.backward()`.
    """
    is_shared = any(other.loop.node is loop.loop.node for other in training)
    return is_shared and all(any(_is_asked(around, loop) for around in done.at.around()) for done in loop.computes)


def _is_asked(around: Happening, loop: TrainingLoop) -> bool:
    """Whether a happening within a loop is a condition on what the function around it is given."""
    if not isinstance(around, Branch) or loop.loop not in around.around() or not isinstance(around.node, (ast.If, ast.IfExp)):
        return False
    function = around.module.parents.get(loop.loop.node)
    while function is not None and not isinstance(function, FUNCTIONS):
        function = around.module.parents.get(function)
    given = function.args if function is not None else ast.arguments([], [], None, [], [], None, [])
    names = {entry.arg for entry in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(around.node.test))


def _takes_labels(walked: Program, loop: TrainingLoop, loader: Value) -> bool:
    """Whether a loss of the loop is computed with the labels of a batch of the loader."""
    for done in loop.computes:
        for source in sources_of(walked).of(done.act.on).sources.get(Origin.LABELS, ()):
            if loader_of_batch(source) is loader:
                return True
    return False


_TRAIN = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_HEAD = "    for images, labels in loader:\n        optimizer.zero_grad()"
_LOOP = Edit(_HEAD, _HEAD.replace(":\n", ":  # <- here\n"))
_PROGRAM = """import torch
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST

model = torch.nn.Linear(784, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
train_loader = DataLoader(MNIST("data", train=True), batch_size=8)
test_loader = DataLoader(MNIST("data", train=False), batch_size=8)
for images, labels in {loader}:{marker}
    loss = torch.nn.functional.cross_entropy(model(images), {labels})
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
BAD = [
    Tree({"src/train.py": (_LOOP, Edit(_TRAIN, _TRAIN.replace('"train"', '"test"')))}),
    program(_PROGRAM.format(loader="test_loader", labels="labels", marker="  # <- here")),
]
GOOD = [
    program(_PROGRAM.format(loader="train_loader", labels="labels", marker="")),
    program(_PROGRAM.format(loader="test_loader", labels="model(images).argmax(1)", marker="")),
]
