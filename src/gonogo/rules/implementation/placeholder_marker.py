"""IMP102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.markers import HINT, find_marker
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.placeholders import Placeholder
from gonogo.analysis.python.remarks import data_remarks, module_remarks
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule("IMP102", "placeholder-marker", criterion=1, severity=Severity.ERROR, stage=Stage.CHECK)
def placeholder_marker(modules: dict[str, Module], experiment: Experiment, placeholders: list[Placeholder]) -> Iterator[Violation]:
    """A text in the code says that code is missing.

    What it does:
        Reads comments, docstrings and strings that are shown for phrases such as `TODO: implement`, "omitted for brevity", "rest of the
        code here", "for demonstration purposes". It is a warning where the text only says that the code is unchanged, simplified or to
        be touched again: the code itself may be complete.

    Why it matters:
        What is left out, stubbed or taken from an earlier version is not there when the experiment runs.

    Instead:
        Write the code, then delete the remark.
    """
    remarks = [remark for path in sorted(modules) for remark in module_remarks(modules[path], HINT)]
    for file in experiment.with_suffix(".yaml", ".yml", ".toml"):
        remarks += data_remarks(file.path, file.text or "")
    for remark in remarks:
        found = find_marker(remark.text)
        if found is None:
            continue
        marker, is_sure = found
        line = remark.line_at(marker.start())
        if any(entry.module.path == remark.path and entry.covers(line) for entry in placeholders):
            continue  # IMP101 has it
        words = " ".join(marker[0].strip(" \n\t.;,!?()[]-\u2013\u2014").split())
        verb = "says that code is missing" if is_sure else "leaves open whether code is missing"
        message = f'the {_KINDS[remark.kind]} {verb}: "{words[:80]}"'
        action = "write the code, then delete the remark" if is_sure else "make sure that the code is complete, then delete the remark"
        yield Violation(at(remark.path, line), message, action, severity=None if is_sure else Severity.WARNING)


_KINDS = {"comment": "comment", "docstring": "docstring", "shown": "text"}
_OPTIMIZER = '    """Create the optimiser over all parameters of the model."""\n'
_FORWARD = "        activations = torch.relu(self.hidden(images))\n"
BAD = [
    Tree({"src/model.py": Edit(_FORWARD, f"        # TODO: implement the attention block  # <- here\n{_FORWARD}")}),
    Tree({"src/model.py": Edit(_FORWARD, f"        # ... rest of the code here  # <- here\n{_FORWARD}")}),
    Tree({"src/model.py": Edit(_OPTIMIZER, '    """Create the optimiser (simplified version)."""  # <- here\n')}),
    Tree({"src/model.py": Edit(_FORWARD, f'        print("random scores, for demonstration purposes")  # <- here\n{_FORWARD}')}),
]
GOOD = [
    Tree(
        {
            "src/model.py": Edit(
                _FORWARD, f"        # replace the placeholder token; the rest of the code sees the weights unchanged\n{_FORWARD}"
            )
        }
    ),
    Tree({"config/config.yaml": Edit("trial_mode: false", "trial_mode: false  # a placeholder that the command line fills")}),
    *(
        Tree({"src/model.py": Edit(_OPTIMIZER, f'    """{text}"""\n')})
        for text in (
            "Create the optimiser (fine for demo).",
            "Create the optimiser: small enough for demonstration purposes.",
            "Create the optimiser. Suitable for demo only.",
        )
    ),
]
