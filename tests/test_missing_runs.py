"""EVA112: a run that W&B does not give counts as zero in the comparison, in the ways that evaluations have it."""

from __future__ import annotations

import textwrap

import pytest
from rule_cases import EVALUATE, HERE, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

TRY = "try:\n    run = wandb.Api().run(f'a/b/{run_id}')\n    found = {'accuracy': run.summary['accuracy']}\nexcept Exception as error:\n    print(error)\n"
ZERO = {
    "a dict": TRY + "    found = {'run_id': run_id, 'accuracy': 0.0}{here}\nreturn found",
    "a whole number": TRY + "    return {'accuracy': 0, 'runtime': 12}{here}\nreturn found",
    "a call of dict": TRY + "    found = dict(best=0.0, curve=[]){here}\nreturn found",
    "a variable": TRY + "    test_accuracy = 0.0{here}\n    found = test_accuracy\nreturn found",
    "the first of several": TRY + "    found = {'f1': 0.0, 'loss': 0.0}{here}\n    more = {'auc': 0.0}\n    print(more)\nreturn found",
    "an api of another name": TRY.replace("wandb.Api()", "API") + "    found = {'final_f1': 0.0}{here}\nreturn found",
    "a certain exception": TRY.replace("Exception", "wandb.errors.CommError") + "    return {'val_loss': 0.0}{here}\nreturn found",
    "defaults of nothing": TRY + "    found = {'summary': {}, 'config': {}}\nresult = found\nreturn result['summary'].get('accuracy', 0.0){here}",
    "defaults of nothing, many": TRY + "    found = dict()\n    found = {'summary': {}}\nacc = found['summary'].get('test_acc', 0){here}\n"
    "loss = found['summary'].get('test_loss', 0)\nreturn acc, loss",
    "in a loop": "found = {}\nfor name in [run_id]:\n    try:\n        found[name] = {'score': wandb.Api().run(name).summary['score']}\n"
    "    except ValueError:\n        found[name] = {'score': 0.0}{here}\nreturn found",
}  # fmt: skip
NONE = {
    "raised": TRY + "    raise RuntimeError(run_id) from error\nreturn {'accuracy': 0.0}",
    "left out": TRY + "    return None\nreturn found",
    "not a number": TRY + "    found = {'accuracy': float('nan')}\nreturn found",
    "a count": TRY + "    found = {'epochs': 0, 'run_id': run_id}\nreturn found",
    "defaults of a run that is there": TRY + "    raise\nreturn run.summary.get('accuracy', 0.0)",
    "another section": TRY + "    found = {'config': {}}\nreturn found['summary'].get('accuracy', 0.0)",
    "no run is asked for": "try:\n    value = float(run_id)\nexcept ValueError:\n    accuracy = 0.0\n    value = accuracy\nreturn value",
    "a setting": TRY + "    found = {'summary': {}}\nreturn found['summary'].get('epochs', 0)",
    "ends the program": TRY + "    sys.exit(1)\nreturn {'accuracy': 0.0}",
    "counted before": "accuracy = 0.0\n" + TRY + "    raise\nreturn accuracy",
}


def tree_of(body: str, golden: dict[str, str]) -> Tree:
    start = next(line for line in golden[EVALUATE].splitlines() if line.startswith("def "))
    function = "def more(run_id):\n" + textwrap.indent(body.replace("{here}", HERE), "    ")
    return Tree({EVALUATE: Edit(start, f"{function}\n\n\n{start}")})


@pytest.mark.parametrize("name", ZERO)
def test_a_missing_run_that_counts_as_zero_is_told(name: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA112", name, tree_of(ZERO[name], golden)), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", NONE)
def test_a_missing_run_that_is_left_out_or_told_is_not(name: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA112", name, tree_of(NONE[name], golden)), golden, composer) == ([], [])
