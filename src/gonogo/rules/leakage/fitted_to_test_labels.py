"""LEK125."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Called, Event, Happening, Loop
from gonogo.analysis.dataflow.definitions import Function
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Value
from gonogo.analysis.numbers.origins import Origin, is_batches, loader_of_batch, sources_of
from gonogo.analysis.numbers.splits import Split, splits
from gonogo.analysis.training.acts import Does
from gonogo.analysis.training.loops import Done, acts
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation
from gonogo.rules.leakage.trained_on_test_split import ADAPTS

# Words of code that says that it knows the answers.
SEARCHES = ("max", "min", "minimize", "minimize_scalar", "fmin", "differential_evolution", "brute", "brentq")
_SAYS_SO = re.compile(r"oracle|upper_?bound|best_?case|ideal|cheat|adversar|saliency|attribution", re.IGNORECASE)


@rule("LEK125", "fitted-to-test-labels", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("data",))
def fitted_to_test_labels(programs: list[Program]) -> Iterator[Violation]:
    """Something is fitted to the labels of the test split after training.

    What it does:
        Follows losses that an optimizer steps on, outside of loops over loaders, to the labels that they compare with. Speaks where all of
        these come from the loader that the code calls the test loader, and where a number is chosen by a function of such labels, as
        by `max(grid, key=…)` or SciPy's `minimize_scalar`. Silent where the function says that it attacks, adapts, or computes
        an upper bound, and of what no optimizer steps on.

    Why it matters:
        The calibrated loss, the calibration error and the accuracy are then those of rows whose answers have been seen: they are too good
        by what was fitted.

    Instead:
        Fit it to the validation split, and apply it to the test split.
    """
    yield from by_place(found for walked in programs for found in (*_found(walked), *_searched(walked)))


def _found(walked: Program) -> Iterator[Violation]:
    done = walked.known(acts)
    steps = [entry for entry in done if entry.act.does is Does.STEPS]
    known = splits(walked)
    for entry in done:
        if entry.act.does is not Does.COMPUTES or any(_is_over_batches(loop) for loop in entry.loops) or _says_so(entry.at):
            continue
        labels = sources_of(walked).of(entry.act.on).sources.get(Origin.LABELS, ())
        loaders: list[Value | None] = [loader_of_batch(source) for source in labels]
        if loaders and all(loader is not None and known.of(loader) is Split.TEST for loader in loaders) and _is_stepped(entry, steps):
            yield violation(
                entry.at,
                "this is fitted to the labels of the test split, on which it is scored",
                "fit it to the validation split",
                related=tuple((loader, "the loader of the test split") for loader in loaders[:1] if loader is not None),
            )


def _searched(walked: Program) -> Iterator[Violation]:
    """Yield numbers that are chosen by a function of the test split's labels.

    An example is `max(grid, key=lambda t: f1(labels, scores > t))`.
    """
    known = splits(walked)
    for event in walked.calls(*SEARCHES):
        keys = [event.call.keywords[name] for name in ("key",) if name in event.call.keywords]
        keys += event.call.arguments[:1] if event.call.short not in ("max", "min") else []
        results = [entry.result for entry in walked.all(Called) if entry.result is not None and any(_is_of(entry, key) for key in keys)]
        labels = [source for result in results for source in sources_of(walked).of(result).sources.get(Origin.LABELS, ())]
        loaders = [loader_of_batch(source) for source in labels]
        if loaders and all(loader is not None and known.of(loader) is Split.TEST for loader in loaders) and not _says_so(event):
            yield violation(
                event,
                "this is chosen by the labels of the test split, on which it is scored",
                "choose it by the validation split",
                related=tuple((loader, "the loader of the test split") for loader in loaders[:1] if loader is not None),
            )


def _is_of(entry: Called, key: Value) -> bool:
    """Whether a function is what a search calls."""
    return isinstance(key, Function) and entry.definition is key.definition


def _is_over_batches(loop: Loop) -> bool:
    return loop.iterated is not None and is_batches(loop.iterated)


def _is_stepped(entry: Done, steps: list[Done]) -> bool:
    """Return whether an optimizer steps on these gradients.

    In the same loop, or by calling the function that computes them.
    """
    closures = {id(around.node) for around in entry.at.around() if isinstance(around, (Called, Loop))}
    functions = {
        id(around.call.callee.definition)
        for around in entry.at.around()
        if isinstance(around, Called) and isinstance(around.call.callee, Function)
    }
    for step in steps:
        if set(step.loops[:1]) & set(entry.loops[:1]) or id(step.at.node) in closures:
            return True
        given = step.at.call.arguments if isinstance(step.at, Event) else ()
        if any(isinstance(argument, Function) and id(argument.definition) in functions for argument in given):
            return True
    return False


def _says_so(at: Happening) -> bool:
    for around in at.around():
        name = around.call.callee.name if isinstance(around, Called) and isinstance(around.call.callee, Function) else ""
        if ADAPTS.search(name) or _SAYS_SO.search(name):
            return True
    return False


_SCORED = "    test_accuracy, test_loss = score(logits, labels)\n"
_FITTED = """    scale = torch.ones(1, requires_grad=True)
    calibrator = torch.optim.{made}
    {more}{fit}
    logits = (logits / scale).detach()
"""
_CLOSURE = """
    def closure() -> torch.Tensor:
        calibrator.zero_grad()
        loss = nn.functional.cross_entropy({logits} / scale, {labels})
        loss.backward(){marker}
        return loss

    calibrator.step(closure)"""
_LOOP = """for _ in range(50):
        calibrator.zero_grad()
        nn.functional.cross_entropy({logits} / scale, {labels}).backward(){marker}
        calibrator.step()"""
_VALIDATION = 'val_logits, val_labels = predict(model, build_loaders(cfg.run.dataset, cfg.trial_mode)["validation"])\n    '


def _tree(made: str, fit: str, logits: str, labels: str, marker: str = "", more: str = "") -> Tree:
    text = _FITTED.format(made=made, more=more, fit=fit.format(logits=logits, labels=labels, marker=marker))
    return Tree({"src/train.py": Edit(_SCORED, text + _SCORED)})


def _chosen(given: str, marker: str = "", more: str = "") -> Tree:
    chosen = f"    scale = max([0.5, 1.0, 2.0], key=lambda value: -shifted(value, {given})[1]){marker}\n    logits = logits / scale\n"
    helper = "def shifted(value, logits, labels):\n    return score(logits / value, labels)\n\n\ndef suggest("
    return Tree({"src/train.py": (Edit("def suggest(", helper), Edit(_SCORED, more + chosen + _SCORED))})


HERE = "  # <- here"
BAD = [
    _tree("LBFGS([scale], lr=0.1, max_iter=50)", _CLOSURE, "logits", "labels", HERE),
    _tree("Adam([scale], lr=0.1)", _LOOP, "logits", "labels", HERE),
    _chosen("logits, labels", HERE),
]
GOOD = [
    _tree("LBFGS([scale], lr=0.1, max_iter=50)", _CLOSURE, "val_logits", "val_labels", more=_VALIDATION),
    _tree("Adam([scale], lr=0.1)", _LOOP, "val_logits", "val_labels", more=_VALIDATION),
    _tree("Adam([scale], lr=0.1)", _LOOP, "logits", "logits.argmax(dim=1)"),
    _chosen("val_logits, val_labels", more=f"    {_VALIDATION.rstrip(' ')}"),
]
