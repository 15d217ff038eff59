"""NaN in what a run computes: an error where the network gives it on real data, else undecided."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import GONOGO, copy_of

from gonogo.analysis.python.modules import Module
from gonogo.execution.causes import no_number
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Logged
from gonogo.model.contract import load
from gonogo.rules.science.non_finite_loss import non_finite_loss

GOLDEN = Path(__file__).parents[1] / "golden"
MODULES = {"src/train.py": Module("src/train.py", "pass\n" * 20)}
NAN_LOSS: tuple[float | str, str, int] = ("nan", "src/train.py", 7)


def run(
    *, made_up: bool = False, broken: int = 0, losses: tuple[tuple[float | str, str, int], ...] = (), **keys: tuple[float | None, int]
) -> RunSeen:
    process = Process(1, 0, [], losses=list(losses))
    process.standins = [events.StandIn("imdb: made-up rows")] if made_up else []
    process.answers = {3: events.Answers(3, broken=broken)}
    process.logged = {key: Logged(key, 2, last, nan, ("src/train.py", 9), 1, nan) for key, (last, nan) in keys.items()}
    return RunSeen("a", ended=True, code=0, processes={1: process})


def found(seen: RunSeen) -> list[str]:
    session = SessionSeen("trial", {"a": seen})
    return [violation.message for violation in non_finite_loss(session, MODULES, load("trial-mode"))]


@pytest.mark.parametrize(
    ("seen", "doubt", "message"),
    [
        (run(auc=(0.5, 0)), "", ""),
        (run(auc=(0.5, 1)), "", ""),  # once a number, and once none
        (run(auc=(None, 0)), "", ""),  # the constant that says: there is none
        (run(auc=(None, 2)), "few rows of a bounded run", ""),
        (run(auc=(None, 2), broken=4), "", "`auc` is logged as NaN"),
        (run(auc=(None, 2), broken=4, made_up=True), "made-up data", ""),
        (run(auc=(None, 2), made_up=True), "logs `auc` as NaN (src/train.py:9), which may be for the made-up data", ""),
        (run(losses=(NAN_LOSS,)), "", "the loss is nan"),
        (run(losses=((0.4, "src/train.py", 7), NAN_LOSS), made_up=True), "its loss is nan (src/train.py:7), which", ""),
        (run(losses=(NAN_LOSS,), acc=(None, 1)), "", "the loss is nan"),
        (run(losses=((0.4, "src/train.py", 7),), made_up=True), "", ""),
    ],
)
def test_nan_is_an_error_or_undecided(seen: RunSeen, doubt: str, message: str) -> None:
    said = no_number(seen)
    assert doubt in said and bool(doubt) == bool(said)
    messages = found(seen)
    assert len(messages) == bool(message) and all(message in each for each in messages)
    assert not (said and messages)


@pytest.mark.slow
class TestRuns:
    """Really run, in the sandbox."""

    def checked(self, tree: Path, stage: str) -> tuple[int, dict[str, Any]]:

        command = [*GONOGO, "check", str(tree), "--to", stage, "--format", "json", "--python", sys.prefix, "--runs", "proposed-mlp-digits"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, json.loads(done.stdout)

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        return copy_of(GOLDEN, tmp_path / "experiment", GOLDEN.parent / "golden.plan.yaml")

    def edit(self, tree: Path, path: str, old: str, new: str) -> None:
        text = (tree / path).read_text()
        assert text.count(old) == 1
        (tree / path).write_text(text.replace(old, new))

    def test_metric_of_no_rows(self, tree: Path) -> None:
        no_rows = '    run.summary["per_class"] = float(torch.zeros(0).mean())\n'
        self.edit(tree, "src/train.py", "    run.finish()\n", f"{no_rows}    run.finish()\n")
        code, verdict = self.checked(tree, "rehearsal")
        assert (code, verdict["findings"]) == (3, [])
        assert "it logs `summary:per_class` as NaN" in str(verdict["undecided"]) and "few rows of a bounded run" in str(
            verdict["undecided"]
        )

    def test_loss_of_real_data(self, tree: Path) -> None:
        loss = "        loss = criterion(model(images), labels)\n"
        self.edit(tree, "src/train.py", loss, f"{loss}        loss = loss * torch.log(torch.zeros(())) * 0\n")
        code, verdict = self.checked(tree, "trial")
        assert code == 1 and [finding["rule"] for finding in verdict["findings"]] == ["SCI103"]

    def test_loss_of_made_up_data(self, tree: Path) -> None:
        loss = "        loss = criterion(model(images), labels)\n"
        self.edit(tree, "src/train.py", loss, f"{loss}        loss = loss * torch.log(torch.zeros(())) * 0\n")
        digits = "    digits = load_digits()\n"
        asked = "    import torchvision\n\n    torchvision.datasets.CIFAR10('.cache/cifar', download=True)\n"
        self.edit(tree, "src/preprocess.py", digits, asked + digits)
        self.edit(tree, "pyproject.toml", '    "torch>=', '    "torchvision>=0.19",\n    "torch>=')
        code, verdict = self.checked(tree, "trial")
        assert code == 3, verdict["findings"]
        assert "its loss is nan" in str(verdict["undecided"]) and "made-up data" in str(verdict["undecided"])
