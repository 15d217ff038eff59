"""What a `_target_` names and needs, held against what the real `hydra.utils.instantiate` does with the same config."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import hydra.utils
import pytest
from experiments_of_texts import experiment_of
from omegaconf import OmegaConf

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

MAIN = """import hydra
from functools import partial
from hydra.utils import instantiate

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print({call})
"""
PARTS = """import dataclasses
from dataclasses import dataclass, field


class Arm:
    def __init__(self, reach, grip):
        self.reach, self.grip = reach, grip


class Long(Arm):
    pass


class Robot:
    def __init__(self, arm, *, name):
        self.arm, self.name = arm, name


@dataclass
class Spec:
    reach: int
    grip: int = 1
    extra: list = field(default_factory=list)
    seen: int = field(init=False, default=0)


@dataclass
class Wide(Spec):
    width: int = dataclasses.field(kw_only=True)


def lift(weight, /, speed, *, height=1):
    return weight


def any_of(first, **others):
    return first


class Open:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args):
        pass
"""
ARM = "a:\n  _target_: robot_parts.Arm\n  reach: 1\n"
BOTH = ARM + "  grip: 2\n"
CASES = {
    "all given": (BOTH, "instantiate(cfg.a)"),
    "one lacks": (ARM, "instantiate(cfg.a)"),
    "given by the call": (ARM, "instantiate(cfg.a, grip=2)"),
    "given by place": ("a:\n  _target_: robot_parts.Arm\n", "instantiate(cfg.a, 1, 2)"),
    "one of two by place": ("a:\n  _target_: robot_parts.Arm\n", "instantiate(cfg.a, 1)"),
    "another given by the call": (ARM, "instantiate(cfg.a, reach=2)"),
    "a partial in the config": (ARM + "  _partial_: true\n", "instantiate(cfg.a)"),
    "no partial in the config": (ARM + "  _partial_: false\n", "instantiate(cfg.a)"),
    "a partial by the call": (ARM, "instantiate(cfg.a, _partial_=True)"),
    "arguments by place in the config": ("a:\n  _target_: robot_parts.Arm\n  _args_: [1, 2]\n", "instantiate(cfg.a)"),
    "written before": (ARM, "[setattr(hydra, 'x', 1), cfg.a.update({'reach': 3}), instantiate(cfg.a)]"),
    "an heir": (ARM.replace("Arm", "Long"), "instantiate(cfg.a)"),
    "a part within": (
        "a:\n  _target_: robot_parts.Robot\n  name: r\n  arm:\n    _target_: robot_parts.Arm\n    reach: 1\n",
        "instantiate(cfg.a)",
    ),
    "a part within that the call completes": (
        "a:\n  _target_: robot_parts.Robot\n  name: r\n  arm:\n    _target_: robot_parts.Arm\n    reach: 1\n",
        "instantiate(cfg.a, arm={'grip': 2})",
    ),
    "a part within, left as it is": (
        "a:\n  _target_: robot_parts.Robot\n  name: r\n  arm:\n    _target_: robot_parts.Arm\n    reach: 1\n",
        "instantiate(cfg.a, _recursive_=False)",
    ),
    "a keyword lacks": ("a:\n  _target_: robot_parts.Robot\n  arm: 1\n", "instantiate(cfg.a)"),
    "a dataclass": ("a:\n  _target_: robot_parts.Spec\n  reach: 1\n", "instantiate(cfg.a)"),
    "a dataclass that lacks a field": ("a:\n  _target_: robot_parts.Spec\n  grip: 1\n", "instantiate(cfg.a)"),
    "an heir of a dataclass": ("a:\n  _target_: robot_parts.Wide\n  reach: 1\n", "instantiate(cfg.a)"),
    "by place only": ("a:\n  _target_: robot_parts.lift\n  weight: 1\n  speed: 1\n", "instantiate(cfg.a)"),
    "by place, and the rest": ("a:\n  _target_: robot_parts.lift\n  speed: 1\n", "instantiate(cfg.a, 3)"),
    "whatever it is": ("a:\n  _target_: robot_parts.any_of\n  second: 1\n", "instantiate(cfg.a)"),
    "whatever it is, complete": ("a:\n  _target_: robot_parts.any_of\n  second: 1\n  first: 1\n", "instantiate(cfg.a)"),
    "made by `__new__`": ("a:\n  _target_: robot_parts.Open\n", "instantiate(cfg.a)"),
    "called, not instantiated": (ARM, "hydra.utils.call(cfg.a)"),
    "in a list": ("a:\n  - _target_: robot_parts.Arm\n    reach: 1\n", "instantiate(cfg.a)"),
    "through a partial": (ARM, "partial(instantiate, grip=2)(cfg.a)"),
    "through keywords": (ARM, "instantiate(cfg.a, **dict(grip=2))"),
    "a name that is not there": ("a:\n  _target_: robot_parts.Leg\n", "instantiate(cfg.a)"),
    "a package that is not there": ("a:\n  _target_: robot_parts_lib.Arm\n", "instantiate(cfg.a)"),
    "a package deep below": ("a:\n  _target_: robots_of_old.parts.Arm\n  b:\n    c: 1\n", "instantiate(cfg.a)"),
    "never instantiated": (ARM, "cfg.a.reach"),
}
SILENT = {"made by `__new__`"}  # fails in truth, but through `__init__` behind an open `__new__`: not looked at


def fails(config: str, call: str) -> bool:
    """Whether the real `instantiate` raises."""
    module = ModuleType("robot_parts")
    sys.modules["robot_parts"] = module
    try:
        exec(PARTS, module.__dict__)
        cfg = OmegaConf.create(config)
        OmegaConf.set_struct(cfg, True)
        names = {"cfg": cfg, "instantiate": hydra.utils.instantiate, "hydra": hydra, "partial": partial}
        with contextlib.suppress(AttributeError):
            del hydra.x
        try:
            eval(call, names)
        except Exception:
            return True
        return False
    finally:
        del sys.modules["robot_parts"]


def said(composer: Composer, files: dict[str, str]) -> list[str]:
    verdict = check(experiment_of(files), CheckOptions(contract="generic", select=("HYD116",)), composer)
    return [finding.message for finding in verdict.findings if finding.blocks]


@pytest.mark.parametrize(("config", "call"), CASES.values(), ids=CASES.keys())
def test_says_what_instantiate_says(composer, config, call, request):
    files = {"main.py": MAIN.format(call=call), "robot_parts.py": PARTS, "conf/config.yaml": config}
    wrong = said(composer, files)
    if any(name in request.node.callspec.id for name in SILENT):
        assert not wrong
    else:
        assert bool(wrong) == fails(config, call), wrong


@pytest.mark.parametrize(
    "others",
    [
        {"requirements.txt": "robot-parts-lib\n"},
        {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["robot_parts_lib>=1"]\n'},
        {"setup.py": "setup(package_dir={'robot_parts_lib': 'src'})\n"},
        {"environment.yml": "dependencies:\n  - pip:\n    - robot-parts-lib\n"},
        {"README.md": "First `pip install git+https://example.org/robot_parts_lib`.\n"},
        {"Dockerfile": "RUN git clone https://example.org/robot_parts_lib && pip install -e robot_parts_lib\n"},
        {"other.py": "try:\n    import robot_parts_lib\nexcept ImportError:\n    pass\n"},
        {"vendor/robot_parts_lib/arm.so": "x"},
        {".gitmodules": "[submodule]\n  path = robot_parts_lib\n"},
        {"alias.py": "import sys\nsys.modules['robot_parts_lib'] = sys\n"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_a_package_that_somebody_speaks_of_may_be_there(composer, others):
    files = {
        "main.py": MAIN.format(call="instantiate(cfg.a)"),
        "conf/config.yaml": "a:\n  _target_: robot_parts_lib.Arm\n",
        "parts.py": PARTS,
    }
    assert said(composer, files)
    assert not said(composer, {**files, **others})


def test_the_folder_may_be_the_package(composer, tmp_path: Path):
    files = {
        "main.py": MAIN.format(call="instantiate(cfg.a)"),
        "conf/config.yaml": "a:\n  _target_: robot_parts_lib.Arm\n",
        "parts.py": PARTS,
    }
    experiment = experiment_of(files)
    experiment.root = tmp_path / "robot-parts-lib"
    verdict = check(experiment, CheckOptions(contract="generic", select=("HYD116",)), composer)
    assert not verdict.findings
