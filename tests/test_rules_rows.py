"""EVA121: rows that never hold all keys that are asked for, in the ways that programs log."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, TRAIN, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
ROW = '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n'
IMPORT = Edit("from pathlib import Path\n", "import dataclasses\nimport functools\nfrom pathlib import Path\n")
SUGGEST = "def suggest(trial"
ASKED = 'run.history(keys=["epoch", "train_loss", "val_loss"])'
# How training logs: definitions, and what stands in the place of the row of an epoch.
APART = {
    "two calls": ("", ['wandb.log({"epoch": epoch, "train_loss": train_loss})', 'wandb.log({"epoch": epoch, "val_loss": val_loss})']),
    "the current run": (
        "",
        ['wandb.run.log({"epoch": epoch, "train_loss": train_loss})', 'wandb.run.log(data={"epoch": epoch, "val_loss": val_loss})'],
    ),
    "names that are put together": (
        'def report(split, **values):\n    wandb.log({f"{split}_{name}": value for name, value in values.items()} | {"epoch": 0})',
        ['report("train", loss=train_loss)', 'report("val", loss=val_loss, accuracy=val_accuracy)'],
    ),
    "a loop over splits": (
        "",
        ['for split, loss in (("train", train_loss), ("val", val_loss)):', '    wandb.log({"epoch": epoch, split + "_loss": loss})'],
    ),
    "an object with a prefix": (
        "class Meter:\n    def __init__(self, prefix):\n        self.prefix = prefix\n\n"
        '    def log(self, epoch, loss):\n        wandb.log({"epoch": epoch, self.prefix + "_loss": loss})',
        ['one = Meter("train")', "one.log(epoch, train_loss)", 'two = Meter("val")', "two.log(epoch, val_loss)"],
    ),
    "partials": (
        'def report(split, epoch, loss):\n    wandb.log({"epoch": epoch, f"{split}_loss": loss})',
        ['for send, loss in ((functools.partial(report, "train"), train_loss), (functools.partial(report, "val"), val_loss)):',
         "    send(epoch, loss)"],
    ),
    "rows that grow": (
        "",
        ['row = {"epoch": epoch}', 'row["train_loss"] = train_loss', "wandb.log(row)", 'row = dict(epoch=epoch, val_loss=val_loss)', "wandb.log(row)"],
    ),
    "keywords of a helper function": (
        "def report(**row):\n    wandb.log(row)",
        ["report(epoch=epoch, train_loss=train_loss)", "report(epoch=epoch, val_loss=val_loss)"],
    ),
}  # fmt: skip
TOGETHER = {
    "one call": ("", ['wandb.log({"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy})']),
    "a row that grows": ("", ['row = {"epoch": epoch, "train_loss": train_loss}', "row.update(val_loss=val_loss)", "wandb.log(row)"]),
    "the same step": (
        "",
        ['wandb.log({"epoch": epoch, "train_loss": train_loss}, step=epoch)', 'wandb.log({"val_loss": val_loss}, step=epoch)'],
    ),
    "a row that is not complete": (
        "",
        ['wandb.log({"epoch": epoch, "train_loss": train_loss}, commit=False)', 'wandb.log({"val_loss": val_loss})'],
    ),
    "a row that nobody knows": (
        "",
        ['wandb.log({"epoch": epoch, "train_loss": train_loss})', 'wandb.log({"epoch": epoch, "val_loss": val_loss})', "wandb.log(vars(model))"],
    ),
    "perhaps in one row": (
        "",
        ['row = {"epoch": epoch, "train_loss": train_loss}', "if val_loss < 9:", '    row["val_loss"] = val_loss', "wandb.log(row)"],
    ),
}  # fmt: skip
REQUESTS = {
    "written out": (ASKED, ""),
    "scanned": ('list(run.scan_history(keys=["epoch", "train_loss", "val_loss"]))', ""),
    "a constant": ("run.history(keys=CURVES, samples=9999)", 'CURVES = ["epoch", "train_loss", "val_loss"]\n'),
    "a parameter": (
        "curves(run, CURVES)",
        'CURVES = ("train_loss", "val_loss")\n\n\ndef curves(run, keys):\n    return run.history(keys=keys)\n',
    ),
    "a default": ("curves(run)", 'def curves(run, keys=("train_loss", "val_loss")):\n    return run.history(keys=keys)\n'),
}


def tree(definition: str, lines: list[str], request: str = ASKED, before: str = "") -> Tree:
    """The golden experiment that logs in one way and asks in another."""
    body = "".join(f"            {line}\n" for line in lines)
    asked = f"    history = pd.DataFrame({request}){'' if 'return' in before else HERE}\n"
    if "return" in before:
        before = before.replace("keys=keys)\n", f"keys=keys){HERE}\n")
    edits = (Edit(TABLE, asked), Edit("def fetch_run(", f"{before}\n\ndef fetch_run("))
    training = (IMPORT, Edit(ROW, body), Edit(SUGGEST, f"{definition}\n\n\n{SUGGEST}"))
    return Tree({EVALUATE: edits, TRAIN: training})


@pytest.mark.parametrize("way", APART)
def test_rows_apart_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA121", way, tree(*APART[way])), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", REQUESTS)
def test_requests_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA121", way, tree(*APART["two calls"], *REQUESTS[way])), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", TOGETHER)
def test_rows_that_hold_all_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA121", way, tree(*TOGETHER[way])), golden, composer)[0] == []


def test_one_key_at_a_time_is_left_alone(golden: dict[str, str], composer: Composer) -> None:
    before = "def curves(run, keys):\n    return run.history(keys=keys)\n"
    request = '[curves(run, ["train_loss"]), curves(run, ["val_loss"])]'
    assert found_and_marked(("EVA121", "apart", tree(*APART["two calls"], request, before)), golden, composer)[0] == []
