"""`gonogo check path/train.py`: that program and what it may come to, not its neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError

TRAIN = """import torch
from torch import nn
{head}

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, targets in torch.load("batches.pt"):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(inputs), targets).backward()
    {step}
"""
RIGHT, WRONG = TRAIN.format(head="", step="optimizer.step()"), TRAIN.format(head="", step="optimizer.step")


def judged(tmp_path: Path, composer: Composer, *entries: str, **files: str) -> set[str]:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_py", ".py").replace("_md", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    verdict = check(tmp_path, CheckOptions(contract="program", entries=entries), composer)
    return {finding.location.path for finding in verdict.findings if finding.severity.value == "error"}


@pytest.mark.parametrize(
    "name",
    [
        "my train.py",
        " lead.py",
        "it's.py",
        'say "hi".py',
        "a  b/c d.py",
        "back\\slash.py",
        "$HOME.py",
        "x;y.py",
        "[0].py",
        "übung 1.py",
        "#1.py",
    ],
)
def test_a_program_may_have_any_name(name: str, tmp_path: Path, composer: Composer) -> None:
    for text, found in ((RIGHT, set()), (WRONG, {name})):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        (tmp_path / "project" / "pyproject.toml").touch()
        verdict = check(path, CheckOptions(), composer)
        assert {finding.location.path for finding in verdict.findings if finding.severity.value == "error"} == found


@pytest.mark.parametrize("entry", ["", "  ", "'right.py"])
def test_an_entry_that_names_nothing_is_refused(entry: str, tmp_path: Path, composer: Composer) -> None:
    with pytest.raises(UsageError, match="can't be read: give a path"):
        judged(tmp_path, composer, entry, right_py=RIGHT)


def test_a_program_is_not_judged_by_its_neighbours(tmp_path: Path, composer: Composer) -> None:
    files = {"right_py": RIGHT, "wrong_py": WRONG}
    assert judged(tmp_path, composer, "right.py", **files) == set()
    assert judged(tmp_path, composer, "wrong.py", **files) == {"wrong.py"}
    assert judged(tmp_path, composer, **files) == {"wrong.py"}


@pytest.mark.parametrize(
    "head",
    [
        "import parts",
        "from parts import model",
        "import importlib\nimportlib.import_module('parts')",
        "import subprocess\nsubprocess.run(['python', 'parts.py'])",
        "import runpy\nrunpy.run_path('./parts.py')",
        "NAMES = {'ours': 'parts'}\nimport importlib\nimportlib.import_module(NAMES['ours'])",
    ],
)
def test_what_a_program_may_come_to_is_judged_with_it(head: str, tmp_path: Path, composer: Composer) -> None:
    assert "parts.py" in judged(tmp_path, composer, "train.py", train_py=TRAIN.format(head=head, step="optimizer.step()"), parts_py=WRONG)


@pytest.mark.parametrize(
    "head", ["from methods.parts import model", "import importlib\nname = input()\nimportlib.import_module(f'methods.{name}')"]
)
def test_folders(head: str, tmp_path: Path, composer: Composer) -> None:
    train = TRAIN.format(head=head, step="optimizer.step()")
    found = judged(tmp_path, composer, "train.py", train_py=train, methods__parts_py=WRONG, others__far_py=WRONG)
    assert found == {"methods/parts.py"}


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path, composer: Composer) -> None:
    with pytest.raises(UsageError, match=r"There is no program other\.py in "):
        judged(tmp_path, composer, "other.py", train_py=RIGHT)
