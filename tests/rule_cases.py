"""What the tables of rule cases share: names of golden files and texts in them, and how a case is judged."""

from __future__ import annotations

from collections.abc import Callable

from gonogo import plan as plans
from gonogo.rules.base import MARKER, Tree
from gonogo.verdict import Verdict

Judge = Callable[..., Verdict]
Case = tuple[str, str, Tree]

PROPOSED = "config/run/proposed-mlp-digits.yaml"
COMPARATIVE = "config/run/comparative-1-mlp-digits.yaml"
CONFIG, PYPROJECT = "config/config.yaml", "pyproject.toml"
MAIN, TRAIN, EVALUATE = "src/main.py", "src/train.py", "src/evaluate.py"
PREPROCESS, MODEL = "src/preprocess.py", "src/model.py"
HERE = MARKER


def name_of(case: Case) -> str:
    """What pytest calls a case."""
    return f"{case[0]}: {case[1]}"


def found_and_marked(case: Case, golden: dict[str, str], judge: Judge) -> tuple[list[str], list[str]]:
    """Where the case's rule fires, and where the marker says it should."""
    rule, _, tree = case
    files, marked = {}, []
    for path, text in tree.apply(golden).items():
        lines = text.split("\n")
        marked += [f"{path}:{number}" for number, line in enumerate(lines, 1) if line.endswith(MARKER)]
        files[path] = "\n".join(line.removesuffix(MARKER) for line in lines)
    options = {"select": (rule,)}
    verdict = judge(files, plan=plans.parse(tree.plan, "plan.json"), **options) if tree.plan else judge(files, **options)
    assert not verdict.undecided
    return [str(finding.location) for finding in verdict.findings], marked or ([tree.at] if tree.at else [])
