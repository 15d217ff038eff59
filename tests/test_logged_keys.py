"""Which keys training logs: present, absent or unknown, for each way in which code builds what it logs."""

from __future__ import annotations

import textwrap

import pytest
from experiments_of_texts import experiment_of

from gonogo.analysis.python.modules import load_modules
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.logged_keys import LoggedKeys, find_logged_keys


def logged(*texts: str) -> LoggedKeys:
    """What modules log: the first is `src/train.py`, the second `src/model.py`."""
    names = ["src/train.py", "src/model.py"]
    files = {name: textwrap.dedent(text) for name, text in zip(names, texts, strict=False)}
    experiment = experiment_of(files)
    modules = load_modules(experiment)
    return find_logged_keys(modules, Sources(Symbols(modules, experiment.files)))


def keys(body: str, *more: str) -> LoggedKeys:
    """What a function with this body logs."""
    return logged("import wandb\n" + textwrap.dedent(body), *more)


KNOWN = [
    ("a literal", 'wandb.log({"acc": 1, "loss": 2})'),
    ("a run", 'run = wandb.init()\nrun.log({"acc": 1, "loss": 2})'),
    ("a run that may be None", 'run = wandb.init() if x else None\nif run is not None:\n    run.log({"acc": 1, "loss": 2})'),
    ("the current run", 'wandb.run.log({"acc": 1, "loss": 2})'),
    ("a with block", 'with wandb.init() as run:\n    run.log({"acc": 1, "loss": 2})'),
    ("dict()", "wandb.log(dict(acc=1, loss=2))"),
    ("dict() over another", 'base = {"acc": 1}\nwandb.log(dict(base, loss=2))'),
    ("unpacked", 'base = {"acc": 1}\nwandb.log({**base, "loss": 2})'),
    ("a union", 'wandb.log({"acc": 1} | {"loss": 2})'),
    ("built step by step", 'm = {}\nm["acc"] = 1\nm.update(loss=2)\nwandb.log(m)'),
    ("updated with another", 'm = {"acc": 1}\nm.update({"loss": 2})\nwandb.log(m)'),
    ("grown by |=", 'm = {"acc": 1}\nm |= {"loss": 2}\nwandb.log(m)'),
    ("setdefault", 'm = {"acc": 1}\nm.setdefault("loss", 2)\nwandb.log(m)'),
    ("a keyword", 'wandb.log(data={"acc": 1, "loss": 2}, step=3)'),
    ("a choice", 'm = {"acc": 1} if x else {"loss": 2}\nwandb.log(m)'),
    ("a comprehension over a literal list", 'wandb.log({k: f(k) for k in ["acc", "loss"]})'),
    ("a comprehension over a constant", 'KEYS = ("acc", "loss")\ndef f():\n    wandb.log({k: 0 for k in KEYS})'),
    ("zip", 'wandb.log(dict(zip(["acc", "loss"], values)))'),
    ("a copy", 'm = {"acc": 1, "loss": 2}\nwandb.log(m.copy())'),
    ("items of another", 'm = {"acc": 1, "loss": 2}\nwandb.log({k: float(v) for k, v in m.items()})'),
    ("a function's result", 'def f():\n    return {"acc": 1, "loss": 2}\nwandb.log(f())'),
    ("one of several results", 'def f():\n    return 1, {"acc": 1, "loss": 2}\n_, m = f()\nwandb.log(m)'),
    ("a helper's parameter", 'def log(m, step):\n    wandb.log(m, step=step)\nlog({"acc": 1}, 1)\nlog(step=2, m={"loss": 2})'),
    ("a helper's keywords", "def log(**m):\n    wandb.log(m)\nlog(acc=1, loss=2)"),
    ("a function that fills it", 'def fill(m):\n    m["loss"] = 2\nm = {"acc": 1}\nfill(m)\nwandb.log(m)'),
    (
        "a class's buffer",
        """
        class Logger:
            def __init__(self):
                self.row = {}
            def add(self, key, value):
                self.row[key] = value
            def flush(self):
                wandb.log(self.row)
        logger = Logger()
        logger.add("acc", 1)
        logger.add("loss", 2)
        logger.flush()
        """,
    ),
    ("rows of a list", 'rows = []\nrows.append({"acc": 1})\nrows.append({"loss": 2})\nfor row in rows:\n    wandb.log(row)'),
    ("keys of a mapping that is iterated", 'm = {"acc": 1, "loss": 2}\nfor name in m:\n    wandb.log({name: m[name]})'),
    ("an f-string of known parts", 'for s in ["acc", "loss"]:\n    wandb.log({f"{s}": 1})'),
    ("the log function by name", 'from wandb import log\nlog({"acc": 1, "loss": 2})'),
    ("the summary", 'run = wandb.init()\nrun.summary["acc"] = 1\nwandb.summary["loss"] = 2'),
    ("the summary's update", 'wandb.run.summary.update({"acc": 1, "loss": 2})'),
    ("the summary's attribute", "run = wandb.init()\nrun.summary.acc = 1\nrun.summary.loss = 2"),
    ("the summary by another name", 'run = wandb.init()\ns = run.summary\ns["acc"] = 1\ns["loss"] = 2'),
    ("the summary in a loop", 'run = wandb.init()\nfor k, v in {"acc": 1, "loss": 2}.items():\n    run.summary[k] = v'),
]


@pytest.mark.parametrize("body", [body for _, body in KNOWN], ids=[name for name, _ in KNOWN])
def test_keys_that_are_built_in_the_open_are_known_and_all_others_are_absent(body: str) -> None:
    found = keys(body)
    assert found.unknown == ""
    assert [found.has(key) for key in ("acc", "loss", "val_acc")] == [True, True, False]


UNKNOWN = [
    ("a parameter that nobody gives in sight", "@hook\ndef log(m):\n    wandb.log(m)"),
    ("a function that is handed on", 'def log(m):\n    wandb.log(m)\nregister(log)\nlog({"acc": 1})'),
    ("a library's result", "from lib import metrics\nwandb.log(metrics())"),
    ("a key from the config", "wandb.log({cfg.run.optuna.metric: 1})"),
    ("wandb.log handed on", "callback = wandb.log"),
    ("a run's log handed on", "run = wandb.init()\ntrain(log=run.log)"),
    ("a run's log under another name", 'run = wandb.init()\nlog = run.log if x else print\nlog({"acc": 1})'),
    ("wandb imported by name", 'import importlib\nw = importlib.import_module("wandb")\nw.log({"acc": 1})'),
    ("a partial", "from functools import partial\nlog = partial(wandb.log, step=1)"),
    (
        "a property that others store under",
        """
        class A:
            @property
            def row(self):
                return make()
            def f(self):
                wandb.log(self.row)
        class B:
            def __init__(self):
                self.row = {"acc": 1}
        """,
    ),
    ("a dataclass turned into a mapping", "from dataclasses import asdict\nwandb.log(asdict(scores))"),
    ("a decorated helper", '@rank_zero_only\ndef log(m):\n    wandb.log(m)\nlog({"acc": 1})'),
    ("arguments unpacked", "wandb.log(*row)"),
    ("a Trainer", "from transformers import Trainer\nwandb.init()"),
    ("Lightning", "import lightning as L\nwandb.init()"),
    ("a setting of a library", 'wandb.init()\nf(report_to=["wandb"])'),
    ("TensorBoard", "wandb.init(sync_tensorboard=True)"),
    ("a name that is not written there", "getattr(wandb, name)(row)"),
    ("keys that a computed mapping has", "m = {}\nfor k in names():\n    m[k] = 1\nwandb.log(m)"),
    ("an instance's attribute that is not set in sight", "class A(B):\n    def f(self):\n        wandb.log(self.metrics)"),
]


@pytest.mark.parametrize("body", [body for _, body in UNKNOWN], ids=[name for name, _ in UNKNOWN])
def test_keys_that_may_come_from_elsewhere_are_unknown(body: str) -> None:
    found = keys(body)
    assert found.unknown
    assert found.has("anything") is None


def test_an_unreadable_module_makes_everything_unknown() -> None:
    assert keys('wandb.log({"acc": 1})', "def f(:\n").has("loss") is None


def test_a_helper_in_another_module_is_followed_both_ways() -> None:
    found = logged(
        'import wandb\nfrom src.model import score, report\nreport(score(1), "val")\n',
        'import wandb\ndef score(x):\n    return {"acc": x}\ndef report(m, split):\n'
        '    wandb.log({f"{split}/{k}": v for k, v in m.items()})\n',
    )
    assert [found.has(key) for key in ("val/acc", "acc", "val/loss", "train/acc")] == [True, False, False, False]


def test_an_unknown_stretch_leaves_the_known_parts_to_tell_keys_apart() -> None:
    found = keys('def f(name):\n    wandb.log({f"class_{name}_acc": 1, "layer%d" % name: 2, "{}-x".format(name): 3})\nuse(f)')
    assert [found.has(key) for key in ("class_3_acc", "layer7", "a-x")] == [None, None, None]
    assert [found.has(key) for key in ("class_acc", "lay", "x")] == [False, False, False]


def test_an_assigned_key_made_of_a_sum_counts() -> None:
    found = keys('m = {}\nfor k in ["acc", "loss"]:\n    m["val_" + k] = 1\nwandb.log(m)')
    assert [found.has(key) for key in ("val_acc", "val_loss", "acc")] == [True, True, False]


def test_the_history_has_rows_alone_and_the_summary_both() -> None:
    found = keys('run = wandb.init()\nrun.log({"acc": 1})\nrun.summary["best"] = 2')
    assert [found.has(key, in_history=True) for key in ("acc", "best")] == [True, False]
    assert [found.has(key) for key in ("acc", "best")] == [True, True]


def test_values_inside_a_logged_mapping_may_be_asked_for() -> None:
    found = keys('wandb.log({"val": {"acc": 1}, "table": wandb.Table()})')
    assert found.has("val.acc") is None
    assert found.has("table_table") is None
    assert found.has("val/acc") is False


def test_keys_of_wandb_itself_are_always_there() -> None:
    found = keys('wandb.log({"acc": 1})')
    assert [found.has(key) for key in ("_step", "_runtime", "_timestamp")] == [True, True, True]
    assert found.has("step") is False


def test_what_only_looks_like_logging_logs_nothing() -> None:
    found = keys(
        """
        import logging, math, torch
        logger = logging.getLogger(__name__)
        logger.log(logging.INFO, "x")
        math.log(2)
        y = torch.log(torch.ones(3))
        z = y.log()
        wandb.log({"acc": 1})
        """
    )
    assert found.has("loss") is False


def test_watching_a_model_logs_its_gradients() -> None:
    found = keys('wandb.watch(model)\nwandb.log({"acc": 1})')
    assert found.has("gradients/layer.weight") is None
    assert found.has("loss") is False


def test_a_metric_that_is_only_defined_is_taken_for_logged() -> None:
    found = keys('wandb.define_metric("val/*", step_metric="epoch")\nwandb.log({"acc": 1})')
    assert found.has("val/*") is True


def test_a_name_that_is_defined_by_itself_does_not_hang() -> None:
    assert keys('m = {}\nm = {**m, "acc": 1}\nm = m if m else dict(m)\nwandb.log(m)').has("acc") is True


def test_functions_that_call_each_other_do_not_hang() -> None:
    found = keys('def a(m, n):\n    return b({**m, "acc": n}, n)\ndef b(m, n):\n    return a(m, n) if n else m\nwandb.log(a({}, 1))')
    assert found.has("acc") is not False


def test_keys_that_are_renamed_from_themselves_keep_what_is_known_of_them() -> None:
    found = keys('m = {"acc": 1}\nm = {f"val_{k}": m[k] for k in m}\nwandb.log(m)')
    assert [found.has(key) is False for key in ("val_acc", "acc", "loss")] == [False, False, True]
