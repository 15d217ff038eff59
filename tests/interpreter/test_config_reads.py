"""The three-valued analysis: what is present, what is absent, and what nobody can know, one idiom at a time."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from walked import CONFIG, HEAD, TAIL, absent, trace_of, written

from gonogo.analysis.interpreter.values.config_node import METHOD_NAMES

PRESENT = {
    "attributes": "x = cfg.run.training.lr",
    "subscripts": "x = cfg['run']['training']['lr']",
    "alias": "t = cfg.run.training\nx = t.lr",
    "get with a default": "x = cfg.run.training.get('warmup', 0)",
    "getattr with a default": "x = getattr(cfg.run.training, 'warmup', 0)",
    "tested before": "if 'warmup' in cfg.run.training:\n    x = cfg.run.training.warmup",
    "tested with hasattr": "if hasattr(cfg, 'warmup'):\n    x = cfg.warmup",
    "tested with get": "if cfg.get('warmup') is not None:\n    x = cfg.warmup",
    "conditional expression": "x = cfg.warmup if 'warmup' in cfg else 0",
    "short circuit": "x = 'warmup' in cfg and cfg.warmup > 1",
    "or with a fallback": "t = cfg.get('train') or cfg.run.training\nx = t.lr",
    "select": "x = OmegaConf.select(cfg, 'run.training.lr')\ny = OmegaConf.select(cfg, 'a.b.c')",
    "interpolation": "x = cfg.shared.lr + 1",
    "opened by open_dict": "with open_dict(cfg):\n    cfg.extra = 1\nx = cfg.extra",
    "opened by set_struct": "OmegaConf.set_struct(cfg, False)\ncfg.extra = {'a': {'b': 1}}\nx = cfg.extra.a.b",
    "filled placeholder": "cfg.training = cfg.run.training\nx = cfg.training.lr",
    "loop over literal keys": "OmegaConf.set_struct(cfg, False)\nfor k in ['model', 'dataset']:\n    cfg[k] = cfg.run[k]\nx = cfg.model.width + cfg.dataset.sizes[0]",
    "loop over items": "OmegaConf.set_struct(cfg, False)\nfor k, v in cfg.run.items():\n    cfg[k] = v\nx = cfg.model.width",
    "merged": "OmegaConf.set_struct(cfg, False)\ncfg = OmegaConf.merge(cfg, cfg.run)\nx = cfg.model.width",
    "created from parts": "c = OmegaConf.create({'t': cfg.run.training, 'n': 1})\nx = c.t.lr + c.n",
    "plain container": "c = OmegaConf.to_container(cfg, resolve=True)\nx = c['run']['training']['lr']",
    "dynamic key": "import os\nx = cfg.run[os.environ['SECTION']].lr",
    "update with force": "OmegaConf.update(cfg, 'run.training.extra', 1, force_add=True)\nx = cfg.run.training.extra",
    "copied": "c = copy.deepcopy(cfg)\nx = c.run.training.lr",
    "swallowed": "try:\n    x = cfg.warmup\nexcept AttributeError:\n    x = 0",
    "unknown branch writes": "import os\nOmegaConf.set_struct(cfg, False)\nif os.path.exists('/x'):\n    cfg.extra = 1\nx = cfg.extra",
    "spread into a dict": "d = {**cfg.run.training, 'a': 1}\nx = d['lr']",
    "another run's branch": "if cfg.run.method == 'cw-tent':\n    x = cfg.run.training.only_cw",
    "match": "match cfg.run.method:\n    case 'tent':\n        x = cfg.run.training.lr\n    case 'source':\n        x = cfg.run.none",
    "key of a named case": "import os\nfor key in os.environ:\n    if key == 'WIDTH':\n        x = cfg.run.model.task_width",
    "method of a text": "x = cfg.run.training.optimizer.lower().startswith('s')",
    "comprehension": "x = {k: v.low for k, v in cfg.run.optuna.search_space.items()}",
    "walrus": "if (t := cfg.run.training) and t.lr:\n    pass",
    "starred call": "def f(*args, **kwargs):\n    return kwargs\nx = f(*[1], **cfg.run.training)['lr']",
    "namespace": "from types import SimpleNamespace\nn = SimpleNamespace(**cfg.run.training)\nx = n.lr",
    "nested function": "def inner():\n    return cfg.run.training.lr\nx = inner()",
    "lambda": "f = lambda c: c.training.lr\nx = f(cfg.run)",
    "partial": "def f(c, k):\n    return c.lr\nx = functools.partial(f, cfg.run.training)(k=1)",
}


@pytest.mark.parametrize("body", PRESENT.values(), ids=PRESENT.keys())
def test_nothing_is_reported_where_the_key_is_there_or_may_be(composer, body):
    trace = trace_of(composer, body)
    assert absent(trace) == []
    assert written(trace) == []
    assert trace.complete, trace.reason


ABSENT = {
    "attribute": ("x = cfg.method", "method"),
    "subscript": ("x = cfg['method']", "method"),
    "empty placeholder": ("x = cfg.training.lr", "training.lr"),
    "alias": ("t = cfg.run.training\nx = t.warmup", "run.training.warmup"),
    "plain container": ("c = OmegaConf.to_container(cfg, resolve=True)\nx = c['training']['lr']", "training.lr"),
    "mandatory value": ("x = cfg.must + 1", "must"),
    "beneath a value": ("x = cfg.run.method.name", "run.method.name"),
    "through a literal list": ("for k in ['model', 'optimiser']:\n    x = cfg.run[k]", "run.optimiser"),
    "getattr": ("x = getattr(cfg.run, 'sheduler')", "run.sheduler"),
    "in the branch this run takes": ("if cfg.run.method == 'tent':\n    x = cfg.run.tent", "run.tent"),
    "inside a loop over data": ("import torch\nfor batch in torch.load('x'):\n    y = cfg.run.training.clip", "run.training.clip"),
    "after a test of another key": ("if 'model' in cfg.run:\n    x = cfg.run.models", "run.models"),
    "in an unknown branch": ("import torch\nif torch.cuda.is_available():\n    x = cfg.device", "device"),
    "with a handler that ends the program": ("try:\n    x = cfg.method\nexcept AttributeError:\n    sys.exit(1)", "method"),
    "f-string": ("print(f'{cfg.method}')", "method"),
    "after being deleted": ("OmegaConf.set_struct(cfg, False)\ndel cfg.run.method\nx = cfg.run.method", "run.method"),
}


@pytest.mark.parametrize(("body", "path"), ABSENT.values(), ids=ABSENT.keys())
def test_an_absent_key_is_reported_once(composer, body, path):
    trace = trace_of(composer, body)
    assert absent(trace) == [path]


def test_a_key_is_followed_through_calls_and_files(composer):
    trace = trace_of(
        composer,
        "m = build(cfg.run.model)\nm(1)",
        before="from src.model import build",
        files={
            "src/model.py": "class Net:\n    def __init__(self, cfg):\n        self.cfg = cfg\n    def forward(self, x):\n        return self.cfg.depth\ndef build(model_cfg):\n    return Net(model_cfg)\n"
        },
    )
    assert absent(trace) == ["run.model.depth"]
    assert trace.accesses[0].site.module.path == "src/model.py"


def test_methods_that_only_a_framework_calls_are_followed(composer):
    trace = trace_of(
        composer,
        "loader(Data(cfg.run.dataset))",
        before="from torch.utils.data import Dataset, DataLoader as loader\nclass Data(Dataset):\n    def __init__(self, c):\n        self.c = c\n    def __getitem__(self, i):\n        return self.c.path\n",
    )
    assert absent(trace) == ["run.dataset.path"]


def test_callbacks_are_followed(composer):
    trace = trace_of(
        composer, "import optuna\nstudy = optuna.create_study()\nstudy.optimize(lambda trial: cfg.run.training.epoch, n_trials=3)"
    )
    assert absent(trace) == ["run.training.epoch"]


def test_trial_and_full_mode_are_followed_apart(composer):
    body = "if cfg.trial_mode:\n    cfg.run.training.batches = 2\nelse:\n    x = cfg.run.batches"
    assert written(trace_of(composer, body, command="trial")) == ["run.training.batches"]
    assert absent(trace_of(composer, body, command="trial")) == []
    assert absent(trace_of(composer, body)) == ["run.batches"]


WRITES = {
    "assignment": "cfg.new = 1",
    "subscript": "cfg['new'] = 1",
    "update": "OmegaConf.update(cfg, 'new', 1)",
    "merge": "cfg = OmegaConf.merge(cfg, {'new': 1})",
    "setattr": "setattr(cfg, 'new', 1)",
    "pop": "cfg.pop('trial_mode')",
    "deletion of an item": "del cfg['trial_mode']",
}
PASSED = {
    "deletion of an attribute": "del cfg.trial_mode",
    "deletion in a copy": "c = copy.deepcopy(cfg)\ndel c.trial_mode",
    "delattr": "delattr(cfg, 'trial_mode')",
    "deletion in a function": "def without(part):\n    del part.trial_mode\n    return part\nwithout(cfg)",
    "deletion of an alias": "c = cfg\ndel c.trial_mode",
    "two deletions": "c, d = copy.deepcopy(cfg), cfg\ndel c.trial_mode, d.trial_mode",
    "deletion in a loop": "for c in (copy.copy(cfg), cfg):\n    del c.trial_mode",
    "deletion where it is there": "if 'trial_mode' in cfg:\n    del cfg.trial_mode",
    "deletion by a class": "class Maker:\n    def __init__(self, c):\n        self.c = c\n        del self.c.trial_mode\nMaker(cfg)",
    "deletion by a lambda": "drop = lambda c: delattr(c, 'trial_mode')\ndrop(cfg)",
}


@pytest.mark.parametrize("body", WRITES.values(), ids=WRITES.keys())
def test_struct_mode_refuses_what_omegaconf_refuses(composer, body):
    """OmegaConf itself is the judge: the same statements run on a real config in struct mode, then on an open one."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    real = OmegaConf.create({"trial_mode": False})
    OmegaConf.set_struct(real, True)
    with pytest.raises(OmegaConfBaseException):
        exec(body, {"cfg": real, "OmegaConf": OmegaConf})
    OmegaConf.set_struct(real, False)
    exec(body, {"cfg": real, "OmegaConf": OmegaConf})
    assert len(written(trace_of(composer, body))) == 1
    assert written(trace_of(composer, "OmegaConf.set_struct(cfg, False)\n" + body)) == []


@pytest.mark.parametrize("body", PASSED.values(), ids=PASSED.keys())
def test_struct_mode_lets_pass_what_omegaconf_lets_pass(composer, body):
    """OmegaConf itself is the judge."""
    import copy

    from omegaconf import OmegaConf

    real = OmegaConf.create({"trial_mode": False})
    OmegaConf.set_struct(real, True)
    exec(body, {"cfg": real, "OmegaConf": OmegaConf, "copy": copy})
    assert written(trace_of(composer, body)) == []


@pytest.mark.parametrize(
    ("made", "missing"),
    [
        ("cfg", True),
        ("copy.deepcopy(cfg)", True),
        ("OmegaConf.create(OmegaConf.to_container(cfg))", True),
        ("OmegaConf.to_container(cfg)", False),
        ("copy.deepcopy(OmegaConf.to_container(cfg))", False),
        ("dict(OmegaConf.to_container(cfg))", False),
    ],
)
def test_only_a_config_refuses_what_is_mandatory(composer, made, missing):
    """A plain dict gives the text `???`."""
    trace = trace_of(composer, f"d = {made}\nprint(d['must'])")
    assert [(access.path, str(access.status)) for access in trace.accesses] == ([(("must",), "missing")] if missing else [])


def test_what_is_read_is_used_and_what_is_shown_is_not(composer):
    body = "import wandb\nwandb.init(config=OmegaConf.to_container(cfg))\nprint(OmegaConf.to_yaml(cfg))\nx = cfg.run.training.lr"
    trace = trace_of(composer, body)
    assert trace.is_used(("run", "training", "lr"))
    assert not trace.is_used(("run", "training", "momentum"))


def test_a_config_given_to_a_library_counts_as_used(composer):
    trace = trace_of(composer, "import timm\ntimm.create_model(**cfg.run.model)\nhydra.utils.instantiate(cfg.run.dataset)")
    assert trace.is_used(("run", "model", "width"))
    assert trace.is_used(("run", "dataset", "root"))
    assert not trace.is_used(("run", "training", "lr"))


def test_wandb_config_gives_the_config_back(composer):
    trace = trace_of(composer, "import wandb\nwandb.init(config=dict(cfg.run))\nlr = wandb.config.training['lr']")
    assert trace.is_used(("run", "training", "lr"))


def test_a_dataclass_takes_only_its_fields(composer):
    before = "@dataclasses.dataclass\nclass Settings:\n    lr: float\n    momentum: float\n    steps: int = 1\n"
    trace = trace_of(composer, "s = Settings(**cfg.run.training)\nx = s.lr", before=before)
    assert [misuse.what for misuse in trace.misuses] == ["signature"]
    assert "optimizer" in trace.misuses[0].detail


def test_the_child_process_is_followed_with_its_own_config(composer):
    train = (
        HEAD
        + '\n@hydra.main(version_base="1.3", config_path="../config", config_name="config")\ndef main(cfg):\n    x = cfg.run.training.warmup\n'
        + TAIL
    )
    body = "cmd = [sys.executable, '-m', 'src.train', f'run={cfg.run.run_id}', 'run.training.lr=1', 'training.epochs=1']\nsubprocess.run(cmd, check=True)"
    trace = trace_of(composer, body, files={"src/train.py": train})
    child = trace.processes[1]
    assert child.module == "src.train"
    assert [override for override, _ in child.failing] == ["training.epochs=1"]
    assert child.compositions[-1][1].config["run"]["training"]["lr"] == 1
    assert absent(trace) == ["run.training.warmup"]


def test_a_run_config_read_by_hand_is_followed(composer):
    body = "from pathlib import Path\nc = OmegaConf.load(Path('config') / 'run' / f'{cfg.run.run_id}.yaml')\nx = c.training.lr\ny = c.training.warmup"
    trace = trace_of(composer, body)
    assert absent(trace) == ["@file.config/run/a.yaml.training.warmup"]


NO_GROUP = CONFIG.replace("  - run: ???\n", "")
BY_HAND = """
if cfg.run_id is None:
    raise ValueError("run_id=<id> must be given")
print(cfg.training.lr)
cfg = OmegaConf.merge(cfg, OmegaConf.load(f"config/run/{cfg.run_id}.yaml"))
"""


def test_a_run_that_can_not_be_selected_as_documented_is_followed_as_it_can(composer):
    trace = trace_of(composer, BY_HAND, config=NO_GROUP + "run_id: null\n")
    assert trace.processes[0].run_lost, "Hydra has no `run` to override"
    assert [access.path for access in trace.accesses if access.status == "absent"] == [("training", "lr")]
    assert trace.struct_writes[0].path == ("method",)
    assert not trace.complete, "nothing is concluded from what it does not do"


def test_a_group_that_is_to_be_chosen_by_a_key_is_chosen(composer):
    body = "print(cfg.training.lr, cfg.runs.training.momentum)"
    config = NO_GROUP.replace("  - _self_\n", "  - _self_\n  - runs: ${run}\n") + "run: null\n"
    trace = trace_of(composer, body, config=config + "mode: full\n", contract="mode-trial")
    assert [access.path for access in trace.accesses if access.status == "absent"] == [("training", "lr")]
    assert ("runs", "training", "momentum") in trace.used and not trace.complete


@pytest.mark.parametrize("more", ["", "run_id: fixed\n", "run_ident: null\n"])
def test_nothing_is_assumed_where_the_config_shows_no_other_way(composer, more):
    trace = trace_of(composer, "print(cfg.training.lr, cfg.nowhere)", config=NO_GROUP + more)
    assert trace.composition is None and not trace.accesses


def test_compose_called_by_hand(composer):
    body = "with hydra.initialize(version_base=None, config_path='../config'):\n    c = hydra.compose('config', overrides=['run=a', 'run.training.lr=5'])\nx = c.run.training.warmup"
    assert absent(trace_of(composer, body)) == ["run.training.warmup"]


def test_nothing_is_resolved_or_instantiated(composer, monkeypatch, tmp_path):
    marker = tmp_path / "made"
    monkeypatch.setenv("GONOGO_TEST_SECRET", "secret-value")
    config = CONFIG + f"secret: ${{oc.env:GONOGO_TEST_SECRET}}\nmade:\n  _target_: pathlib.Path.mkdir\n  self: {marker}\n"
    trace = trace_of(composer, "x = cfg.secret\ny = cfg.made", config=config)
    composition = trace.composition
    assert composition is not None
    assert "secret-value" not in repr(composition)
    assert composition.interpolations[("secret",)].status == "unknown"
    assert not marker.exists()


def test_a_hostile_program_costs_only_steps(composer):
    body = "x = 'a' * 10**9\ny = 10**10**10\nz = [0] * 10**9\nwhile True:\n    x += x\nfor i in range(10**12):\n    f(i)"
    trace = trace_of(composer, body, before="def f(n):\n    return f(n - 1) + f(n - 2)")
    assert absent(trace) == []


GOLDEN = Path(__file__).parents[1] / "golden"
SOURCES = [path.read_text() for path in sorted((GOLDEN / "src").glob("*.py"))]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=st.sampled_from(SOURCES), data=st.data())
def test_mangled_programs_never_break_the_interpreter(composer, source, data):
    """Whole statements are dropped and names swapped in real code; whatever still parses is followed to an end."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.If, ast.For, ast.With))]
    for node in functions:
        if len(node.body) > 1 and data.draw(st.booleans()):
            del node.body[data.draw(st.integers(0, len(node.body) - 1))]
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    swap = data.draw(st.permutations(names))
    if data.draw(st.booleans()):
        renamed = dict(zip(names, swap, strict=True))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = renamed[node.id]
    body = f"import src.other\nsrc.other.main(cfg)\nfor name in dir(src.other):\n    getattr(src.other, name)(cfg)\nx = [f(cfg) for f in ({', '.join('src.other.' + name for name in _functions(tree))},)]"
    trace_of(composer, body, files={"src/other.py": ast.unparse(tree)})


def _functions(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] or ["x"]


def test_a_raise_that_only_the_config_decides_is_certain(composer):
    trace = trace_of(composer, "if cfg.run.method != 'cw-tent':\n    raise ValueError(cfg.run.method)")
    assert len(trace.raised) == 1


@pytest.mark.parametrize(
    "body",
    [
        "import os\nif os.cpu_count() > 3:\n    raise ValueError",
        "import os\nif os.cpu_count() > 3:\n    return\nraise ValueError",
        "import os\ndef f():\n    raise ValueError\nif os.cpu_count() > 3:\n    return\nf()",
        "try:\n    raise ValueError\nexcept Exception:\n    pass",
        "for batch in cfg.run.data_loader:\n    raise ValueError",
    ],
)
def test_a_raise_that_something_else_decides_is_not(composer, body):
    assert trace_of(composer, body).raised == []


def test_a_class_decorator_fills_the_registry_it_is_looked_up_in(composer):
    registry = """
    MODELS = {}

    def register(name):
        def enter(cls):
            MODELS[name] = cls
            return cls
        return enter

    @register("resnet18")
    class Network:
        pass
    """
    body = """
    if cfg.run.model.name not in MODELS:
        raise ValueError(cfg.run.model.name)
    """
    assert trace_of(composer, body, before=registry).raised == []
    assert len(trace_of(composer, body, before=registry.replace('"resnet18"', '"resnet50"')).raised) == 1


def test_methods_of_a_config_are_those_of_omegaconf() -> None:
    assert {name for name in dir(DictConfig) if not name.startswith("_")} == METHOD_NAMES


IN_A_TRY = "try:\n    {first}\n    {second}\nexcept Exception:\n    pass\n"


@pytest.mark.parametrize(
    "first",
    [
        "print(cfg.run.training.items.lr)",
        "print(cfg.run.training.absent)",
        "print(cfg['absent'])",
        "print(cfg.run.id.absent)",
        "show(cfg)",
        "x = [cfg.run.training.absent for _ in range(2)]",
    ],
)
@pytest.mark.parametrize("second", ["OmegaConf.update(cfg, 'must', {})", "cfg.must = 1", "cfg['must'] = 2", "fill(cfg)"])
def test_what_a_try_perhaps_never_came_to_is_not_certain(composer, first, second):
    helpers = "def show(c):\n    print(c.run.training.absent)\ndef fill(c):\n    c.must = 3\n"
    after = "if OmegaConf.is_missing(cfg, 'must'):\n    print(cfg.run.training.lr)"
    assert trace_of(composer, helpers + IN_A_TRY.format(first=first, second=second) + after).is_used(("run", "training", "lr"))


@pytest.mark.parametrize("first", ["print(cfg.run.training.lr)", "print(cfg.get('absent'))", "print('absent' in cfg)"])
def test_what_a_try_surely_came_to_is_certain(composer, first):
    after = "if OmegaConf.is_missing(cfg, 'must'):\n    print(cfg.run.other)"
    trace = trace_of(composer, IN_A_TRY.format(first=first, second="cfg.must = 1") + after)
    assert not [access for access in trace.accesses if access.path == ("run", "other")]
