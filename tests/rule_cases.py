"""What the tables of rule cases share: names of golden files and texts in them, and how a case is judged."""

from __future__ import annotations

from pathlib import Path

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.finding import Finding
from gonogo.rules.base import MARKER, Tree

GOLDEN_PLAN = (Path(__file__).parent / "golden.plan.yaml").read_text()
Case = tuple[str, str, Tree]

PROPOSED = "config/run/proposed-mlp-digits.yaml"
COMPARATIVE = "config/run/comparative-1-mlp-digits.yaml"
CONFIG, PYPROJECT = "config/config.yaml", "pyproject.toml"
MAIN, TRAIN, EVALUATE = "src/main.py", "src/train.py", "src/evaluate.py"
PREPROCESS, MODEL = "src/preprocess.py", "src/model.py"
HERE = MARKER


def programs_of(table: str) -> list[tuple[str, str, str]]:
    """The rule, the name and the text of each program of a table beside this file."""
    found = []
    for part in (Path(__file__).parent / table).read_text().split("\n#### ")[1:]:
        head, _, text = part.partition("\n")
        rule, _, name = head.partition(" ")
        found.append((rule, name, text))
    return found


def name_of(case: Case) -> str:
    """What pytest calls a case."""
    return f"{case[0]}: {case[1]}"


def findings_of(files: dict[str, str], rule: str, composer: Composer, plan: str | None = GOLDEN_PLAN) -> list[Finding]:
    """What one rule says of files held in memory, with the golden plan unless another or none is given."""
    parsed = plans.parse(plan, "plan.yaml") if plan is not None else None
    experiment = Experiment("test", {path: source_file(path, text) for path, text in files.items()}, parsed)
    verdict = check(experiment, CheckOptions(select=(rule,)), composer)
    assert not [reason for reason in verdict.undecided if "can't be parsed by the Python" not in reason]
    return verdict.findings


def found_and_marked(case: Case, golden: dict[str, str], composer: Composer) -> tuple[list[str], list[str]]:
    """Where the case's rule fires, and where the marker says it should."""
    rule, _, tree = case
    files, marked = {}, []
    for path, text in tree.apply(golden).items():
        lines = text.split("\n")
        marked += [f"{path}:{number}" for number, line in enumerate(lines, 1) if line.endswith(MARKER)]
        files[path] = "\n".join(line.removesuffix(MARKER) for line in lines)
    found = findings_of(files, rule, composer, tree.plan or GOLDEN_PLAN)
    return [str(finding.location) for finding in found], marked or ([tree.at] if tree.at else [])
