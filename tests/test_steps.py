"""WDB122: rows at steps that lie before the last one, in the ways that programs count steps."""

from __future__ import annotations

import textwrap

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.analysis.tracking.steps import Steps

MARK = "  # dropped"
HEAD = "import wandb\nfrom tqdm import tqdm\n\nrun = wandb.init()\n"

DROPPED = {
    "batches of all epochs, and the epoch": """
        for epoch in range(9):
            for batch, data in enumerate(loader):
                wandb.log({"loss": 1}, step=epoch * len(loader) + batch)
            wandb.log({"accuracy": 1}, step=epoch)  # dropped
    """,
    "a counter, and the epoch": """
        count = 0
        for epoch in range(9):
            for data in loader:
                count += 1
                wandb.log({"loss": 1}, step=count)
            wandb.log({"accuracy": 1}, step=epoch + 1)  # dropped
    """,
    "no step, and the epoch": """
        for epoch in range(9):
            for data in loader:
                wandb.log({"loss": 1})
            wandb.log({"accuracy": 1}, step=epoch)  # dropped
    """,
    "the run's own method": """
        for epoch in tqdm(range(9)):
            for data in loader:
                run.log({"loss": 1})
            run.log({"accuracy": 1}, epoch)  # dropped
    """,
    "batches that begin anew": """
        for epoch in range(9):
            for batch, data in enumerate(tqdm(loader)):
                wandb.log({"loss": 1}, step=batch)  # dropped
    """,
    "a function for the inner loop": """
        def rounds(loader, epoch):
            for batch, data in enumerate(loader):
                wandb.log({"loss": 1}, step=epoch * len(loader) + batch)

        def train(loader):
            for epoch in range(9):
                rounds(loader, epoch=epoch)
                wandb.log({"accuracy": 1}, step=epoch)  # dropped
    """,
    "a function for both": """
        def train(loader, epochs):
            for epoch in range(epochs):
                per_epoch = len(loader)
                for index, data in enumerate(loader):
                    step = epoch * per_epoch + index
                    wandb.log({"loss": 1}, step=step)
                report(1, epoch)

        def report(value, at):
            wandb.log({"accuracy": value}, step=at)  # dropped
    """,
    "a method": """
        class Trainer:
            def fit(self, loader):
                for epoch in range(9):
                    self.rounds(loader, epoch)
                    wandb.log({"accuracy": 1}, step=epoch)  # dropped

            def rounds(self, loader, epoch):
                for batch, data in enumerate(loader):
                    wandb.log({"loss": 1}, step=batch + epoch * len(loader))
    """,
    "every tenth batch": """
        for epoch in range(9):
            for batch, data in enumerate(loader):
                if batch % 10 == 0:
                    wandb.log({"loss": 1}, step=epoch * len(loader) + batch)
            wandb.log({"accuracy": 1}, step=epoch)  # dropped
    """,
    "a loop over parts": """
        for part in range(15):
            for batch, data in enumerate(loader):
                wandb.log({"loss": 1}, step=batch)  # dropped
    """,
}
KEPT = {
    "the epoch alone": """
        for epoch in range(9):
            wandb.log({"accuracy": 1}, step=epoch)
    """,
    "one count for both": """
        count = 0
        for epoch in range(9):
            for data in loader:
                count += 1
                wandb.log({"loss": 1}, step=count)
            wandb.log({"accuracy": 1}, step=count)
    """,
    "the last batch of the epoch": """
        for epoch in range(9):
            for batch, data in enumerate(loader):
                wandb.log({"loss": 1}, step=epoch * len(loader) + batch)
            wandb.log({"accuracy": 1}, step=(epoch + 1) * len(loader))
    """,
    "no steps": """
        for epoch in range(9):
            for data in loader:
                wandb.log({"loss": 1})
            wandb.log({"accuracy": 1, "epoch": epoch})
    """,
    "a run for each part": """
        for part in parts:
            run = wandb.init(name=part)
            for batch, data in enumerate(loader):
                wandb.log({"loss": 1}, step=batch)
            run.finish()
    """,
    "a run for each seed, in a function": """
        def train(seed):
            wandb.init(name=str(seed))
            for epoch in range(9):
                wandb.log({"loss": 1}, step=epoch)

        for seed in range(3):
            train(seed)
    """,
    "one or the other": """
        for epoch in range(9):
            if fine:
                for batch, data in enumerate(loader):
                    wandb.log({"loss": 1}, step=epoch * len(loader) + batch)
            else:
                wandb.log({"accuracy": 1}, step=epoch)
    """,
    "another logger": """
        for epoch in range(9):
            for data in loader:
                wandb.log({"loss": 1})
            print_table.log({"accuracy": 1}, step=epoch)
    """,
    "a step that nobody knows": """
        for epoch in range(9):
            for data in loader:
                wandb.log({"loss": 1}, step=state.step)
            wandb.log({"accuracy": 1}, step=state.step)
    """,
    "an inner loop that logs nothing": """
        for epoch in range(9):
            for data in loader:
                print(data)
            wandb.log({"accuracy": 1}, step=epoch)
    """,
}


def _lines(text: str) -> tuple[list[int], list[int]]:
    """The lines of the rows that are dropped, and those that are marked."""
    source = HEAD + textwrap.dedent(text)
    module = Module("train.py", source.replace(MARK, ""))
    marked = [number for number, line in enumerate(source.split("\n"), 1) if line.endswith(MARK)]
    return sorted(found.row.call.lineno for found in Steps({"train.py": module}).dropped()), marked


@pytest.mark.parametrize("way", DROPPED)
def test_rows_before_the_last_step_are_found(way: str) -> None:
    found, marked = _lines(DROPPED[way])
    assert found == marked
    assert marked


@pytest.mark.parametrize("way", KEPT)
def test_other_rows_are_left_alone(way: str) -> None:
    assert _lines(KEPT[way])[0] == []
