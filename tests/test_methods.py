"""Rules of method in every contract, and the benchmark that plants mistakes of method."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from experiments_of_texts import experiment_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.methods.__main__ import findings_of, place_of, right_programs, without_mark
from benchmarks.methods.bases import BASES
from benchmarks.methods.plants import PLANTS
from benchmarks.methods.shapes import SHAPES, shapes_of
from benchmarks.methods.trees import MARK, Edit, Plant, edited
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.finding import Stage
from gonogo.rules.base import all_rules

ROOT = Path(__file__).resolve().parents[1]
LEAK = """

def leak():
    import pandas as pd
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    table = pd.read_csv("table.csv")
    X = StandardScaler().fit_transform(table)
    return train_test_split(X, random_state=0)
"""
HYDRA = """import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print(cfg.lr, leak())


if __name__ == "__main__":
    main()
"""

# A value of a loop that is made of itself, by several ways.
MADE_OF_ITSELF = """import torch
from torch import nn
model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
head = nn.Linear(4, 1)
def step(x, n):
    y = head(x) if n % 2 else x
    for i in range(n):
        if i % 3 == 0:
            y = torch.relu(y)
        elif i % 3 == 1:
            y = y.detach()
        if i > 4:
            y = (y if i else torch.abs(y)).clone()
    return y if n < 3 else step(y, n - 1)
target = torch.zeros(8)
x = torch.randn(8, 4)
for n in range(10):
    x = step(x, n)
    if n == 3:
        x = torch.log(x)
    loss = (x - target).abs().mean()
    loss.backward()
"""


def rules_found(files: dict[str, str], contract: str, composer: Composer, plan: str | None = None) -> set[str]:
    return {entry.rule for entry in check(experiment_of(files, plan), CheckOptions(contract=contract), composer).findings}


@pytest.mark.slow
def test_leakage_is_found_under_every_contract(composer: Composer, golden: dict[str, str], golden_plan: str) -> None:
    assert "LEK101" in rules_found({"train.py": LEAK + "\n\nprint(leak())\n"}, "program", composer)
    hydra = {"main.py": LEAK + HYDRA, "conf/config.yaml": "lr: 0.1\n"}
    assert "LEK101" in rules_found(hydra, "generic", composer)
    shaped = golden | {"src/train.py": golden["src/train.py"] + LEAK}
    assert "LEK101" in rules_found(shaped, "trial-mode", composer, golden_plan)


def test_every_rule_of_method_is_planted() -> None:
    planted = {plant.rule for plant in PLANTS}
    static = [rule for rule in all_rules().values() if rule.stage in (Stage.CHECK, Stage.COMPOSE)]
    families = {rule.id for rule in static if rule.id.startswith(("LEK", "REP", "NUM"))}
    of_numbers = {"LEK120", "LEK121", "LEK125"}  # they judge where a reported number comes from; their own examples show them
    with_variants = {"NUM115"}  # in test_false_goes.py
    # Found in programs of strangers' kinds; beside their own examples, `right_programs.txt` has what looks like them.
    with_variants |= {"LEK126", "NUM127", "NUM128", "NUM129", "NUM130", "NUM131", "NUM132", "REP125"}
    assert families - of_numbers - with_variants <= planted


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.rule} {plant.name}")
def test_a_plant_is_a_program_with_one_marked_line_in_each_shape(plant: Plant) -> None:
    for files in shapes_of(edited(BASES[plant.base], plant.edits)).values():
        path, line = place_of(files)
        assert files[path].split("\n")[line - 1].endswith(MARK)
        for text in without_mark(files).values():
            ast.parse(text)


def test_right_programs_are_programs() -> None:
    for _, base in right_programs():
        for files in shapes_of(base).values():
            for text in files.values():
                ast.parse(text)


def test_an_edit_of_a_text_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="stands there 0 times"):
        edited(BASES["table"], (Edit("no such text", ""),))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plant_is_found_and_its_base_is_silent(shape: str, composer: Composer) -> None:
    plant = next(plant for plant in PLANTS if plant.rule == "LEK101")
    files = shapes_of(edited(BASES[plant.base], plant.edits))[shape]
    found = findings_of(without_mark(files), composer)
    assert (plant.rule, place_of(files)) in {(entry.rule, (entry.location.path, entry.location.line)) for entry in found}
    assert findings_of(shapes_of(BASES[plant.base])[shape], composer) == []


@pytest.mark.slow
def test_the_benchmark_holds_what_it_promises() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.methods"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_a_value_that_is_made_of_itself_ends_every_rule(composer: Composer) -> None:
    verdict = check(experiment_of({"train.py": MADE_OF_ITSELF}), CheckOptions(contract="program"), composer)
    assert verdict.undecided == []
