"""Where values come from: a key that is read through copies and merges of plain dicts counts as read, and one that is not does not."""

from __future__ import annotations

import pytest
from walked import absent, trace_of

BEFORE = """
import os
from collections import ChainMap, OrderedDict, defaultdict

def merged(one, other):
    return dict(one) | other

def collected(**settings):
    return settings

class Holder:
    def __init__(self, settings):
        self.settings = dict(settings) | {"extra": 1}
"""
# Each makes a plain dict of `cfg.run.training`, from which `lr` is then read.
COPIES = {
    "dict and |": "d = dict(cfg.run.training) | {'extra': 1}",
    "dict and |, the other way round": "d = {'extra': 1} | dict(cfg.run.training)",
    "dict and |=": "d = dict(cfg.run.training)\nd |= {'extra': 1}",
    "|= onto a literal": "d = {'extra': 1}\nd |= dict(cfg.run.training)",
    "| of two configs": "d = dict(cfg.run.model) | dict(cfg.run.training)",
    "| three times": "d = {} | dict(cfg.run.training) | {'a': 1} | {'b': 2}",
    "| of a container": "d = OmegaConf.to_container(cfg.run.training) | {'extra': 1}",
    "spread": "d = {**cfg.run.training, 'extra': 1}",
    "spread of a dict": "d = {**dict(cfg.run.training), 'extra': 1}",
    "spread and |": "d = {**cfg.run.training} | {'extra': 1}",
    "dict with keywords": "d = dict(cfg.run.training, extra=1)",
    "dict of a dict with |": "d = dict(dict(cfg.run.training) | {'extra': 1}, more=2)",
    "ChainMap": "d = ChainMap({'extra': 1}, cfg.run.training)",
    "ChainMap of dicts": "d = ChainMap({'extra': 1}, dict(cfg.run.training) | {'a': 1})",
    "OrderedDict": "d = OrderedDict(cfg.run.training)",
    "OrderedDict of |": "d = OrderedDict(dict(cfg.run.training) | {'extra': 1})",
    "defaultdict": "d = defaultdict(int, cfg.run.training)",
    "comprehension": "d = {k: v for k, v in cfg.run.training.items()}",
    "comprehension of a | ": "d = {k: v for k, v in (dict(cfg.run.training) | {'extra': 1}).items()}",
    "comprehension over keys": "d = {k: cfg.run.training[k] for k in cfg.run.training}",
    "update": "d = {'extra': 1}\nd.update(dict(cfg.run.training))",
    "update of a dict that is merged": "d = dict(cfg.run.training) | {}\nd.update(extra=1)",
    "copy of it": "d = (dict(cfg.run.training) | {'extra': 1}).copy()",
    "copy.copy of it": "d = copy.copy(dict(cfg.run.training) | {'extra': 1})",
    "deep copy of it": "d = copy.deepcopy(dict(cfg.run.training) | {'extra': 1})",
    "a function": "d = merged(cfg.run.training, {'extra': 1})",
    "keywords of a function": "d = collected(**(dict(cfg.run.training) | {'extra': 1}))",
    "an attribute": "d = Holder(cfg.run.training).settings",
    "a partial": "d = functools.partial(merged, cfg.run.training)({'extra': 1})",
    "a loop": "d = {}\nfor part in [cfg.run.model, cfg.run.training]:\n    d = d | dict(part)",
    "reduce by hand": "d = {}\nfor part in [cfg.run.model, cfg.run.training]:\n    d |= dict(part)",
    "in an unknown branch": "d = {}\nif os.environ.get('A'):\n    d |= dict(cfg.run.training)",
    "a choice": "d = (dict(cfg.run.training) if os.environ.get('A') else dict(cfg.run.training)) | {'extra': 1}",
    "into a config": "d = OmegaConf.create(dict(cfg.run.training) | {'extra': 1})",
    "merged into a config": "d = OmegaConf.merge(OmegaConf.create({'extra': 1}), dict(cfg.run.training) | {'a': 1})",
}
READS = ["d['lr']", "d.get('lr')", "d.pop('lr')", "use(d)", "use(**d)", "[use(v) for v in d.values()]"]


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES.keys())
def test_what_is_read_from_a_copy_counts_as_read(composer, make):
    trace = trace_of(composer, f"{make}\nprint(d['lr'])", before=BEFORE)
    assert trace.is_used(("run", "training", "lr"))
    assert absent(trace) == []


@pytest.mark.parametrize("read", READS)
def test_however_it_is_read(composer, read):
    trace = trace_of(composer, f"d = dict(cfg.run.training) | {{'extra': 1}}\nx = {read}", before=BEFORE + "\nfrom somewhere import use")
    assert trace.is_used(("run", "training", "lr"))


@pytest.mark.parametrize(
    "make", [make for name, make in COPIES.items() if "|" in name and "spread" not in name and "comprehension" not in name]
)
def test_what_is_not_read_from_a_merged_dict_does_not_count(composer, make):
    assert not trace_of(composer, f"{make}\nprint(d['lr'])", before=BEFORE).is_used(("run", "training", "momentum"))


def test_what_is_written_over_a_value_of_the_config_hides_it(composer):
    body = "d = dict(cfg.run.training) | {'lr': 3}\nif d['lr'] != 3:\n    raise ValueError"
    trace = trace_of(composer, body)
    assert trace.raised == []
    assert not trace.is_used(("run", "training", "lr"))


def test_the_value_itself_is_known(composer):
    body = "d = {'lr': 3} | dict(cfg.run.training)\nif d['lr'] == 0.1:\n    raise ValueError"
    assert len(trace_of(composer, body).raised) == 1


def test_what_surely_lacks_a_key_says_so_only_where_it_was_written_out(composer):
    assert [raised.key for raised in trace_of(composer, "d = {'a': 1}\nd['b']").raised] == ["b"]
    assert trace_of(composer, "d = {'a': 1} | dict(cfg.run.training)\nd['b']").raised == []


def test_a_chain_that_is_written_to_writes_to_its_first_dict(composer):
    body = "first = {'a': 1}\nchain = ChainMap(first, cfg.run.training)\nchain['b'] = 2\nprint(first['b'])"
    assert trace_of(composer, body, before=BEFORE).raised == []


# Each reads `cfg.run.training.lr` on a way that is not kept track of in full.
ON_THE_WAY = {
    "an alias, or something unknown": "s = cfg.run.training if os.environ.get('A') else use()\nprint(s['lr'])",
    "an alias made in an unknown branch": "s = None\nif os.environ.get('A'):\n    s = cfg.run.training\nprint(s.lr)",
    "an alias made in a handler": "try:\n    s = use()\nexcept Exception:\n    s = cfg.run.training\nprint(s.lr)",
    "behind `or`": "s = use() or cfg.run.training\nprint(s['lr'])",
    "a walrus in an unknown branch": "if os.environ.get('A') and (s := cfg.run.training):\n    pass\nprint(s.lr)",
    "a number or a config": "s = cfg.run.training if os.environ.get('A') else 3\nprint(s.lr)",
    "an unknown place of a list": "parts = [cfg.run.model, cfg.run.training]\nfor index in range(len(parts)):\n    print(parts[index]['lr'])",
    "an unknown key of a dict": "parts = {'a': cfg.run.training, 'b': cfg.run.model}\nprint(parts[os.environ['A']].lr)",
    "get with an unknown key": "parts = {'a': cfg.run.training}\nprint(parts.get(os.environ['A'], cfg.run.model)['lr'])",
    "an unknown part of a list": "parts = [cfg.run.model, cfg.run.training]\nfor part in parts[use():]:\n    print(part.get('lr'))",
    "a starred target": "first, *rest = [cfg.run.model, cfg.run.training]\nprint(rest[0].lr)",
    "a list times a number": "parts = [cfg.run.training] * use()\nprint(parts[0].lr)",
    "a sorted list": "parts = [cfg.run.training]\nparts.sort()\nprint(parts[0].lr)",
    "popped from a list": "parts = [cfg.run.training]\nprint(parts.pop().lr)",
    "popitem": "parts = {'a': cfg.run.training}\nprint(parts.popitem()[1].lr)",
    "a comprehension over unknown rounds": "parts = [cfg.run.training for _ in use()]\nprint(parts[0].lr)",
    "an unknown condition in a comprehension": "parts = [part for part in [cfg.run.training] if use(part.lr)]",
    "a choice among many": "s = use()\nfor part in [cfg.run.model, cfg.run.dataset, cfg.run.training, cfg.run.optuna, cfg.run]:\n    if use():\n        s = part\nprint(s.lr)",
    "a spread choice": "s = cfg.run.training if use() else cfg.run.model\nprint(dict(**s)['lr'])",
    "pairs": "parts = dict([('a', cfg.run.training), use()])\nprint(parts['a'].lr)",
    "functions in a dict": "f = {'a': lambda c: c.lr, 'b': lambda c: c.momentum}[use()]\nf(cfg.run.training)",
}  # fmt: skip


@pytest.mark.parametrize("body", ON_THE_WAY.values(), ids=ON_THE_WAY.keys())
def test_what_is_lost_on_the_way_counts_as_read(composer, body):
    trace = trace_of(composer, body, before=BEFORE + "\nfrom somewhere import use")
    assert trace.is_used(("run", "training", "lr"))
    assert trace.raised == []
    assert [path for path in absent(trace) if path.startswith("run.training")] == []


# Each perhaps puts another config under `lr`, which is then read: both may be what is there.
PERHAPS_WRITTEN = {
    "a copy": "cfg.run.training.lr = copy.deepcopy(cfg.run.training)",
    "a section": "cfg.run.training.lr = cfg.run.model",
    "all of it": "cfg.run.training.lr = cfg.run",
    "by setattr": "setattr(cfg.run.training, 'lr', cfg.run.model)",
    "by an item": "cfg.run.training['lr'] = cfg.run.model",
    "by update": "cfg.run.training.update({'lr': cfg.run.model})",
    "by OmegaConf": "OmegaConf.update(cfg.run.training, 'lr', cfg.run.model)",
    "by merging": "cfg.run.training.merge_with({'lr': cfg.run.model})",
    "a section, then a number": "cfg.run.training.lr = cfg.run.model\n    cfg.run.training.lr = 3",
    "a dict": "cfg.run.training.lr = dict(cfg.run.model)",
}


@pytest.mark.parametrize("write", PERHAPS_WRITTEN.values(), ids=list(PERHAPS_WRITTEN))
@pytest.mark.parametrize("read", ["print(cfg.run.training.lr)", "print(OmegaConf.to_container(cfg.run.training)['lr'])"])
def test_what_is_perhaps_still_there_is_read(composer, write, read):
    text = f"import copy, time\nif time.time() < 0:\n    {write}\n{read}"
    assert trace_of(composer, text, before=BEFORE).is_used(("run", "training", "lr"))


def test_what_is_written_for_certain_is_not(composer):
    trace = trace_of(composer, "cfg.run.training.lr = cfg.run.model\nprint(cfg.run.training.lr)", before=BEFORE)
    assert not trace.is_used(("run", "training", "lr"))
    trace = trace_of(composer, "import time\nif time.time() < 0:\n    cfg.run.training.lr = cfg.run.model", before=BEFORE)
    assert trace.is_used(("run", "training", "lr"))  # it can't be told apart any more: nothing is said
