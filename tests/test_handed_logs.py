"""EVA109: keys that are logged by functions that are given the one that logs."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, TRAIN, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

LINE = '        wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n'
DATA = LINE.strip().removeprefix("wandb.log(").removesuffix(")")
FIT = "def fit(cfg: DictConfig, found: dict[str, float], log_to_wandb: bool) ->"
CALL = "model, _ = fit(cfg, found, log_to_wandb=True)"
TEST = '        "test_accuracy": float(run.summary["test_accuracy"]),\n'
ASKS = Edit(TEST, f'        "best": run.summary["best_accuracy"],{HERE}\n{TEST}')
KNOWS = Edit(TEST, f'        "val": run.summary["val_accuracy"],\n{TEST}')


def handing(call: str, inside: str = "log({})", parameters: str = "log=None", above: str = "") -> tuple[Edit, ...]:
    """Training whose `fit` is given what logs."""
    whole = f"        if log_to_wandb:\n    {LINE}"
    return (
        Edit(FIT, f"{above}{FIT}".replace("log_to_wandb: bool", f"log_to_wandb: bool, {parameters}")),
        Edit(whole, "".join(f"        {line}\n" for line in inside.replace("{}", DATA).splitlines())),
        Edit(CALL, call),
    )


WRITES = "def write(emit, row, step=0):\n    emit(row, step=step)\n\n\n"
CLASS = (
    "class Writer:\n    def __init__(self, cfg):\n        self.cfg = cfg\n\n"
    "    def write(self, row, send):\n        if send is not None:\n            send(row)\n\n\n"
)
FOLLOWED = {
    "by its name": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "if log is not None:\n    log({})"),
    "by place": handing("model, _ = fit(cfg, found, True, wandb.log)", "if log:\n    log({})"),
    "of the run": handing("model, _ = fit(cfg, found, True, log=run.log)"),
    "under a condition": handing("model, _ = fit(cfg, found, True, log=None if cfg.trial_mode else run.log)", "if log is not None:\n    log({})"),
    "or something else": handing("model, _ = fit(cfg, found, True, log=cfg.get('log') or wandb.log)"),
    "by a variable": handing("send = run.log\n    model, _ = fit(cfg, found, True, log=send)"),
    "handed on": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "write(log, {}, step=epoch)", above=WRITES),
    "handed on by its name": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "write(row={}, emit=log)", above=WRITES),
    "to a method of an object": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "Writer(cfg).write({}, send=log)", above=CLASS),
    "to a variable's method": handing("model, _ = fit(cfg, found, True, log=run.log)", "out = Writer(cfg)\nout.write({}, log)", above=CLASS),
    "used in an inner function": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "def emit(row):\n    log(row)\nemit({})"),
}  # fmt: skip
KEPT = "class Keeper:\n    def __init__(self, log):\n        self.send = log\n\n\n"
UNKNOWN = {
    "kept in an object": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "Keeper(log).send({})", above=KEPT),
    "given to a library": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "log({})\nfrom torch.utils import hooks\nhooks.start(log)"),
    "in a list": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "for each in [log]:\n    each({})"),
    "rows that nobody knows": handing("model, _ = fit(cfg, found, True, log=wandb.log)", "log(load_row())"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_key_that_no_such_function_logs_is_found(name: str, golden: dict[str, str], composer: Composer) -> None:
    tree = Tree({TRAIN: FOLLOWED[name], EVALUATE: ASKS})
    found, marked = found_and_marked(("EVA109", name, tree), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", FOLLOWED)
def test_keys_that_such_functions_log_are_known(name: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA109", name, Tree({TRAIN: FOLLOWED[name], EVALUATE: KNOWS})), golden, composer) == ([], [])


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_goes_where_nobody_sees_may_log_anything(name: str, golden: dict[str, str], composer: Composer) -> None:
    tree = Tree({TRAIN: UNKNOWN[name], EVALUATE: Edit(ASKS.old, ASKS.new.replace(HERE, ""))})
    assert found_and_marked(("EVA109", name, tree), golden, composer) == ([], [])
