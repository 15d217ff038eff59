"""IMP101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.placeholders import Placeholder
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule("IMP101", "placeholder-body", criterion=1, severity=Severity.ERROR, stage=Stage.CHECK)
def placeholder_body(placeholders: list[Placeholder]) -> Iterator[Violation]:
    """A function without an implementation.

    What it does:
        Looks for functions and methods whose whole body, docstring aside, is `pass`, `...`, `raise NotImplementedError`, or an empty return
        under a stub comment. Abstract classes, protocols, overloads, base classes that others extend, overrides, fallbacks in `except`
        clauses, hooks and no-op objects are left alone.

    Why it matters:
        The code runs without this part of the method, or fails when it gets there: either way the result is not the method's.

    Instead:
        Write the implementation, or delete the function and whatever calls it.
    """
    for placeholder in placeholders:
        line = placeholder.node.lineno
        message = f"`{placeholder.node.name}` is not implemented: its body is only {_quoted(placeholder.body)}"
        yield Violation(at(placeholder.module.path, line), message, "write the implementation, or delete it and its callers")


def _quoted(body: str) -> str:
    return body if body == "a docstring" else f"`{body}`"


_LAST_LINES = "    return accuracy, nn.functional.cross_entropy(logits, labels).item()\n"
_FORWARD = """        activations = torch.relu(self.hidden(images))
        return self.output(self.dropout(activations))
"""
BAD = [
    Tree(
        {
            "src/model.py": (
                Edit(_FORWARD, "        raise NotImplementedError\n"),
                Edit("(self, images: torch.Tensor) -> torch.Tensor:", "(self, images: torch.Tensor) -> torch.Tensor:  # <- here"),
            )
        }
    ),
    Tree({"src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\ndef calibrate(logits):  # <- here\n    ...\n")}),
    Tree(
        {
            "src/model.py": Edit(
                _LAST_LINES, f"{_LAST_LINES}\n\ndef calibrate(logits):  # <- here\n    return None  # TODO: temperature scaling\n"
            )
        }
    ),
]
GOOD = [
    Tree({"src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\nclass MissingRunError(Exception):\n    pass\n")}),
    Tree(
        {
            "src/model.py": Edit(
                _LAST_LINES,
                f"{_LAST_LINES}\n\nclass Method:\n    def adapt(self, images):\n        raise NotImplementedError\n\n\n"
                "class Source(Method):\n    def adapt(self, images):\n        return images\n",
            )
        }
    ),
    Tree({"src/model.py": Edit(_LAST_LINES, f"{_LAST_LINES}\n\nclass Cache:\n    def close(self):\n        pass\n")}),
]
