"""IMP103."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.project.hydra_mains import config_folders
from gonogo.analysis.project.templates import TEMPLATE
from gonogo.analysis.python.lint import Complaint
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.truncation import is_truncated, syntax_fault
from gonogo.documents.notebook import as_python
from gonogo.documents.toml import parse_toml
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule

# What begins a cell where an editor runs a file piece by piece, in IPython.
CELL = re.compile(r"^[ \t]*#[ \t]*(?:%%|In\[[\d ]*\]:|<codecell>)", re.MULTILINE)
MAGIC = "only IPython understands this line: Python can't run the file"
PYTHON_2 = "Missing parentheses in call to 'print'"
SUFFIXES = (".py", ".yaml", ".yml", ".toml")


@rule(
    "IMP103",
    "unparsable-file",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
    settles=("syntax",),
)
def unparsable_file(experiment: Experiment, modules: dict[str, Module], lint: list[Complaint], contract: Contract) -> Iterator[Violation]:
    """A Python, YAML or TOML file that does not parse.

    What it does:
        Parses every source file: Python with its own parser, YAML as Hydra reads it (a key given twice is an error), TOML as uv does.
        Files with Python 2's `print` are one fault together; so are scripts of cells (`# %%`) with magics of IPython. Syntax that only
        newer Pythons know is a warning where `requires-python` admits an older one.

    Why it matters:
        Nothing that imports or loads the file gets past it.

    Instead:
        Correct the line that the parser names; the cause is often a little above it.
    """
    older: list[Violation] = []
    cells: list[Violation] = []
    folders = None if contract.scope is Scope.RUNS else config_folders(modules)
    for path in sorted(experiment.files):
        file = experiment.files[path]
        if (file.encoding_problem and file.text is None) or TEMPLATE in path:
            continue  # IMP109 has it, or it is filled in before anyone reads it
        if file.problem is not None and path.endswith(SUFFIXES) and not file.is_limit:
            yield Violation(at(path), f"the file {file.problem}", "make it a source file: UTF-8 text, in the tree, of ordinary size")
        elif file.text is None:
            continue
        elif path in modules:
            for found in _python(modules[path], [complaint for complaint in lint if complaint.path == path]):
                if PYTHON_2 in found.message:
                    older.append(found)
                elif _is_of_cells(modules[path]):
                    cells.append(replace(found, message=MAGIC, action="make a notebook of the file, or take the magics out"))
                else:
                    yield found
        elif path.endswith((".yaml", ".yml")):
            if folders is not None and not path.startswith(folders):
                continue  # other tools' YAML has tags, templates and documents of its own
            error = experiment.yaml_fault(path)
            if error is not None and not error.is_limit:
                place = Location(path=path, line=error.line, column=error.column, end_line=error.line)
                yield Violation(place, f"the file is not valid YAML: {error.message}", "correct the line")
        elif path.endswith(".toml"):
            fault = parse_toml(file.text).error
            if fault is not None and not fault.is_limit:
                message = f"{fault.message[:1].lower()}{fault.message[1:]}"
                yield Violation(at(path, fault.line), f"the file is not valid TOML: {message}", "correct the line")
    yield from _together(older, "are written for Python 2, too")
    yield from _together(cells, "have magics of IPython, too")


def _together(found: list[Violation], more: str) -> Iterator[Violation]:
    """Faults of one kind in several files as one."""
    if found:
        first, *others = found
        message = f"{first.message}; {len(others)} more files {more}" if others else first.message
        yield replace(first, message=message, related=tuple(Related(location=other.location, label="here too") for other in others))


def _is_of_cells(module: Module) -> bool:
    """Whether a script of cells parses but for what only IPython understands."""
    return CELL.search(module.text) is not None and module.fault is not None and Module(module.path, as_python(module.text)).fault is None


def _python(module: Module, complaints: list[Complaint]) -> Iterator[Violation]:
    fault = syntax_fault(module, complaints)
    if fault is not None and not is_truncated(module.text, fault):  # else IMP108
        place = Location(path=module.path, line=fault.line, column=fault.column, end_line=fault.line)
        yield Violation(place, f"the file is not valid Python: {fault.message}", "correct the line")
    newer = [complaint for complaint in complaints if complaint.needs_python]
    if newer and fault is None:
        first = max(newer, key=lambda complaint: complaint.needs_python or (0, 0))
        version = ".".join(map(str, first.needs_python or ()))
        place = Location(path=module.path, line=first.line, column=first.column, end_line=first.end_line, end_column=first.end_column)
        message = f"the syntax needs Python {version}, and an older one is admitted"
        yield Violation(
            place, message, f'write `requires-python = ">={version}"`, or avoid it', evidence=first.message, severity=Severity.WARNING
        )


_SUPER = "        super().__init__()\n"
_LISTED = "TRIAL_BATCHES = 2  # a trial shows that the code runs; it needs no more data than this\n"
BAD = [
    Tree({"src/model.py": Edit(_SUPER, "        super().__init__())  # <- here\n")}),
    Tree({"src/preprocess.py": Edit(_LISTED, f"{_LISTED}return TRIAL_BATCHES  # <- here\n")}),
    Tree({"config/config.yaml": Edit("trial_mode: false", "trial_mode: false\ntrial_mode: true  # <- here")}),
    Tree({"pyproject.toml": Edit('version = "0.1.0"', "version = 0.1.0  # <- here")}),
    Tree(
        {
            "src/model.py": Edit(_SUPER, f"{_SUPER}        match num_classes:  # <- here\n            case _:\n                pass\n"),
            "pyproject.toml": Edit(">=3.11", ">=3.9"),
        }
    ),
]
GOOD = [
    Tree({"src/preprocess.py": Edit(_LISTED, f"{_LISTED}type Settings = dict[str, float]\n"), "pyproject.toml": Edit(">=3.11", ">=3.12")}),
    Tree({"src/model.py": Edit(_SUPER, f"{_SUPER}        match num_classes:\n            case _:\n                pass\n")}),
]
