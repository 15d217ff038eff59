"""What a library is not known to answer stays unknown, keeps its name, and lets its arguments go."""

from __future__ import annotations

import pytest
from walked import absent, trace_of

BEFORE = """
import os, json, wandb, hydra.utils
from types import SimpleNamespace

def unknown_table():
    return OmegaConf.to_container(OmegaConf.create(os.environ.get("TABLE", "{}"))) or {"adam": 1.0}

def default_table(table=None):
    table = table or {"adam": 1.0}
    return table

class Tables:
    table = OmegaConf.to_container(OmegaConf.load(os.environ["TABLE"])) or {"adam": 1.0}

    @property
    def rows(self):
        return self.table

@dataclasses.dataclass
class Holder:
    table: dict
"""
# Each gives a table of which nothing is known but that it may be `{"adam": 1.0}`.
UNKNOWN_TABLES = {
    "to_container of what is created from a text": "OmegaConf.to_container(OmegaConf.create(os.environ.get('T', '{}'))) or {'adam': 1.0}",
    "to_container of what is loaded": "OmegaConf.to_container(OmegaConf.load(os.environ['T']).table) or {'adam': 1.0}",
    "an attribute of a file of no name": "OmegaConf.load(os.environ['T']).table or {'adam': 1.0}",
    "a copy": "copy.copy(os.environ.get('T')) or {'adam': 1.0}",
    "a deep copy": "copy.deepcopy(json.loads(os.environ['T'])) or {'adam': 1.0}",
    "a child process": "subprocess.run([os.environ['T']]) or {'adam': 1.0}",
    "what a child process says": "json.loads(subprocess.check_output(['cat', 'x'])) or {'adam': 1.0}",
    "a merge of something unknown": "OmegaConf.merge(json.loads(os.environ['T']), cfg.run.model) or {'adam': 1.0}",
    "a selection in something unknown": "OmegaConf.select(json.loads(os.environ['T']), 'a.b') or {'adam': 1.0}",
    "a run": "wandb.init() or {'adam': 1.0}",
    "a function of the experiment's": "unknown_table()",
    "an argument": "default_table(OmegaConf.to_container(OmegaConf.create(os.environ['T'])))",
    "a partial": "functools.partial(default_table, copy.copy(os.environ['T']))()",
    "a class attribute": "Tables.table",
    "a property": "Tables().rows",
    "a dataclass": "Holder(copy.copy(os.environ['T']) or {'adam': 1.0}).table",
    "a namespace": "SimpleNamespace(t=copy.copy(os.environ['T']) or {'adam': 1.0}).t",
    "a loop": "[copy.copy(os.environ[name]) or {'adam': 1.0} for name in ['T']][0]",
    "a walrus": "(found if (found := copy.copy(os.environ['T'])) else {'adam': 1.0})",
    "three in a row": "copy.copy(os.environ['A']) or copy.copy(os.environ['B']) or {'adam': 1.0}",
    "an `and` before it": "(copy.copy(os.environ['A']) and {'sgd': 1.0}) or {'adam': 1.0}",
}


@pytest.mark.parametrize("table", UNKNOWN_TABLES.values(), ids=UNKNOWN_TABLES.keys())
def test_what_comes_after_or_is_not_certain_behind_something_unknown(composer, table):
    trace = trace_of(composer, f"table = {table}\nprint(table[cfg.run.training.optimizer])", before=BEFORE)
    assert trace.raised == []
    assert absent(trace) == []


KNOWN_TABLES = {
    "written out": "{'adam': 1.0}",
    "behind None": "None or {'adam': 1.0}",
    "behind an empty dict": "{} or {'adam': 1.0}",
    "behind a false switch": "cfg.trial_mode or {'adam': 1.0}",
    "of a known branch": "{'adam': 1.0} if cfg.run.method == 'tent' else {'sgd': 1.0}",
    "an argument that is not given": "default_table()",
}


@pytest.mark.parametrize("table", KNOWN_TABLES.values(), ids=KNOWN_TABLES.keys())
def test_what_comes_after_or_is_certain_behind_something_known(composer, table):
    trace = trace_of(composer, f"table = {table}\nprint(table[cfg.run.training.optimizer])", before=BEFORE)
    assert [raised.key for raised in trace.raised] == ["sgd"]


@pytest.mark.parametrize(
    "body",
    [
        "steps = copy.copy(os.environ.get('S')) or [1, 2]\nif 3 not in steps:\n    raise ValueError",
        "steps = copy.copy(os.environ.get('S')) or []\nif not steps:\n    raise ValueError",
        "done = subprocess.run(['x']) or {}\nif not done:\n    raise ValueError",
        "plain = OmegaConf.to_container(OmegaConf.create(os.environ['S'])) or None\nif plain is None:\n    raise ValueError",
    ],
)
def test_no_condition_on_it_is_certain(composer, body):
    assert trace_of(composer, body, before=BEFORE).raised == []


def test_it_keeps_its_name(composer):
    body = """
    run = wandb.init(project="p")
    run.log({"loss": 1})
    run.define_metric("loss")
    api = wandb.Api()
    api.run("x").history()
    """
    trace = trace_of(composer, body, before="import wandb")
    assert [call.name for call in trace.calls] == [
        "wandb.init", "wandb.init().log", "wandb.init().define_metric", "wandb.Api", "wandb.Api().run", "wandb.Api().run().history",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "call",
    [
        "OmegaConf.merge(os.environ, cfg.run.training)",
        "OmegaConf.to_container(make(cfg.run.training))",
        "copy.copy(make(cfg.run.training))",
        "subprocess.run(['x', cfg.run.training])",
    ],
)
def test_it_lets_its_arguments_go(composer, call):
    trace = trace_of(composer, call, before="import os\nfrom somewhere import make")
    assert trace.is_used(("run", "training", "momentum"))


WRITES = [
    "run.config.update({'a': 1})",
    "run.config.update(dict(cfg.run.model), allow_val_change=True)",
    "run.config.setdefaults({'a': 1})",
]
READS = [
    "run.config.training", "run.config['training']", "run.config.get('training')", "dict(run.config)", "print(**run.config)", "'a' in run.config",
    "[key for key in run.config]", "build(run.config)", "wandb.config.lr", "wandb.run.config['lr']",
]  # fmt: skip


@pytest.mark.parametrize("body", WRITES)
def test_writing_to_the_config_of_a_run_reads_nothing(composer, body):
    trace = trace_of(composer, f"run = wandb.init(config=dict(cfg.run.training))\n{body}", before="import wandb")
    assert not trace.is_used(("run", "training", "lr"))


@pytest.mark.parametrize("body", READS)
def test_reading_the_config_of_a_run_reads_what_it_was_given(composer, body):
    trace = trace_of(
        composer, f"run = wandb.init(config=dict(cfg.run.training))\n{body}", before="import wandb\nfrom somewhere import build"
    )
    assert trace.is_used(("run", "training", "lr"))
