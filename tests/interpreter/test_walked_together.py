"""Runs that are walked together are seen as if each were walked on its own: random programs, and the trees that others plant."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from walked import RUN, Runs, runs_of, seen

VARIED = {
    "a": RUN,
    "b": RUN.replace("run_id: a", "run_id: b").replace("method: tent", "method: source").replace("lr: 0.1", "lr: 0.0"),
    "c": RUN.replace("run_id: a", "run_id: c").replace("steps: 10", "steps: 1").replace("sizes: [1, 2]", "sizes: [1, 2, 3]"),
    "d": RUN.replace("run_id: a", "run_id: d").replace("momentum: 0.9, ", "").replace("optimizer: sgd", "optimizer: null"),
    "e": RUN.replace("run_id: a", "run_id: e").replace("optuna:", "search:").replace("width: 64", "width: 64, extra: {a: 1}"),
}
BEFORE = """
import os, wandb, optuna
from types import SimpleNamespace

REGISTRY = {}

class Base:
    kind = "base"
    def __init__(self, settings):
        self.settings = settings
        self.rows = []
    def step(self, value):
        if self.settings.lr > 0.05:
            self.rows.append(value)
            return self.settings.lr
        return None
    def unused(self):
        return self.settings.clip

class Other(Base):
    kind = "other"
    def step(self, value):
        self.last = value
        return super().step(value)

@dataclasses.dataclass
class Settings:
    lr: float
    steps: int = 1

def build(cfg):
    if cfg.method == "source":
        return Base(cfg.training)
    return Other(cfg.training)

def pick(cfg, *names, **more):
    for name in names:
        if name in cfg:
            return cfg[name]
    return more.get("otherwise")

def early(cfg):
    if cfg.training.steps == 1:
        return "one"
    if os.environ.get("X"):
        raise ValueError(cfg.method)
    return cfg.training.optimizer

def rows(cfg):
    for name, value in cfg.items():
        yield value
"""
EXPRESSIONS = [
    "cfg.run.method", "cfg.run.training.lr", "cfg.run.training.steps", "cfg.run.training.optimizer", "cfg.run.dataset.sizes", "cfg.run.model",
    "cfg.run.training", "cfg.trial_mode", "cfg.results_dir", "cfg.run.run_id", "cfg.shared.lr", "cfg.run.get('optuna')", "cfg.run.training.get('momentum', 0)",
    "cfg.run.nowhere", "build(cfg.run)", "pick(cfg.run, 'search', 'optuna', otherwise=3)", "early(cfg.run)", "list(rows(cfg.run.model))",
    "f'{cfg.run.run_id}-{cfg.run.method}'", "x", "y", "z", "Settings(lr=cfg.run.training.lr)", "SimpleNamespace(**cfg.run.model)", "[x, y]", "{'a': x, **cfg.run.model}",
    "len(cfg.run.dataset.sizes)", "dict(cfg.run.training)", "dict(cfg.run.training) | {'extra': 1}", "OmegaConf.to_container(cfg.run)", "x or y", "x and z", "not x",
    "cfg.run.method == 'tent'", "'momentum' in cfg.run.training", "x if cfg.run.training.lr else y", "os.environ.get('A')", "[each for each in cfg.run.dataset.sizes if each > 1]",
    "{key: value for key, value in cfg.run.training.items()}", "max(cfg.run.training.steps, 2)", "getattr(x, 'kind', None)", "hasattr(y, 'lr')", "isinstance(x, str)",
    "x == y", "str(x)", "cfg.run.training.steps * 2", "(lambda value: value.lr)(cfg.run.training)", "functools.partial(pick, cfg.run, 'optuna')()", "copy.deepcopy(cfg.run.training)",
    "OmegaConf.select(cfg, 'run.search.n_trials')", "wandb.init(id=cfg.run.run_id, config=x)", "REGISTRY.get(cfg.run.method, y)", "sys.argv[1:]", "x.step(y)",
]  # fmt: skip
TARGETS = [
    "x",
    "y",
    "z",
    "x.value",
    "cfg.run.training.lr",
    "cfg.new",
    "REGISTRY[cfg.run.method]",
    "x['key']",
    "(x, y)",
    "cfg.run['training']",
]
SIMPLE = [
    "OmegaConf.set_struct(cfg, False)", "x.append(y)", "x.update(a=y)", "del cfg.run.method", "cfg.run.pop('optuna', None)", "cfg = OmegaConf.merge(cfg, {'run': {'training': {'lr': 1}}})",
    "REGISTRY[cfg.run.run_id] = x", "wandb.log({'loss': x})", "raise ValueError(x)", "return x", "pass", "x += [y]", "sys.argv = ['main', *cfg.run.dataset.sizes]", "global z", "assert x",
    "subprocess.run([sys.executable, '-m', 'src.child', f'run={cfg.run.run_id}', f'run.training.steps={cfg.run.training.steps}'])",
    "os.system(f'python -m src.child run={cfg.run.run_id}')", "optuna.create_study().optimize(lambda trial: build(cfg.run).step(trial), n_trials=cfg.run.optuna.n_trials)",
]  # fmt: skip
CHILD = """
import hydra
@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg):
    if cfg.run.training.steps > 1:
        print(cfg.run.training.warmup)
    print(cfg.run.training.lr, cfg.run.run_id)
if __name__ == "__main__":
    main()
"""


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> str:
    """Some statements."""
    return "\n".join(draw(statements(depth)) for _ in range(draw(st.integers(1, 4 - depth))))


@st.composite
def statements(draw: st.DrawFn, depth: int) -> str:
    """A statement, with blocks in it now and then."""
    value = draw(st.sampled_from(EXPRESSIONS))
    kind = draw(st.integers(0, 9 if depth < 2 else 3))
    if kind < 3:
        return f"{draw(st.sampled_from(TARGETS))} = {value}"
    if kind == 3:
        return draw(st.sampled_from(SIMPLE))
    inner, other = draw(blocks(depth + 1)), draw(blocks(depth + 1))
    leave = draw(st.sampled_from(["", "", "    break\n", "    continue\n"]))
    return {
        4: f"if {value}:\n{_indented(inner)}\nelse:\n{_indented(other)}",
        5: f"if {value}:\n{_indented(inner)}",
        6: f"for z in {value}:\n    if z == x:\n    {leave or '    pass'}\n{_indented(inner)}",
        7: f"try:\n{_indented(inner)}\nexcept Exception:\n{_indented(other)}",
        8: f"with open_dict(cfg):\n{_indented(inner)}",
        9: f"def inner(x, cfg=cfg):\n{_indented(inner)}\n    return x\nz = inner({value})",
    }[kind]


@pytest.fixture(scope="module")
def runs(composer) -> Iterator[Runs]:
    with runs_of(composer, VARIED) as found:
        yield found


def check(runs: Runs, body: str) -> None:
    """Hold a walk of all runs against one of each."""
    start = "x, y, z = cfg.run.training, [], None\n"
    both = [[seen(trace) for trace in runs.walk(start + body, BEFORE, together, **{"src/child.py": CHILD})] for together in (True, False)]
    for one, other in zip(*both, strict=True):
        for what, value in one.items():
            assert value == other[what], what


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=blocks())
def test_any_program(runs, body):
    check(runs, body)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("GONOGO_TOGETHER", "400")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(body=blocks())
def test_many_programs(runs, body):
    check(runs, body)


def test_a_key_that_one_run_alone_writes_perhaps(runs):
    body = """if hasattr(y, 'lr'):
    x = cfg.run.method
else:
    cfg.run['training'] = cfg.run.training.optimizer
if list(rows(cfg.run.model)):
    x.value = cfg.run.training.lr
else:
    wandb.log({'loss': x})"""
    check(runs, body)
