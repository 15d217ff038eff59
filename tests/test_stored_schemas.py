"""Dataclasses as schemas in Hydra's ConfigStore: what the gate refuses, Hydra refuses when the program is run."""

from __future__ import annotations

import pytest
from really_run import exit_codes
from test_generic import errors, judged

HEAD = """\
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Dict, List, Optional

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


class Kind(Enum):
    A = 1
    B = 2


@dataclass
class Model:
    width: int = 8
    kind: Kind = Kind.A


@dataclass
class Deep(Model):
    depth: int = 2


"""
TAIL = """

cs = ConfigStore.instance()
STORE


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print(cfg)


if __name__ == "__main__":
    main()
"""
CONFIG = """\
@dataclass
class Config:
    model: Model = field(default_factory=Model)
    extra: Dict[str, Any] = field(default_factory=dict)
    free: Any = None
    where: Path = Path("here")
    perhaps: Optional[Model] = None
    several: List[Model] = field(default_factory=list)
"""
SCHEMA = 'cs.store(name="schema", node=Config)'
BASE = "defaults:\n  - schema\n  - _self_\n"

# What the config says, whether it is right, and what stands in for the class, the stores and other files.
SCHEMAS: dict[str, tuple[str, bool, str, str, dict[str, str]]] = {
    "known keys": (BASE + "model:\n  width: 4\n  kind: B\nwhere: there\n", True, CONFIG, SCHEMA, {}),
    "unknown key": (BASE + "modle:\n  width: 4\n", False, CONFIG, SCHEMA, {}),
    "unknown nested key": (BASE + "model:\n  wdith: 4\n", False, CONFIG, SCHEMA, {}),
    "keys of a dict": (BASE + "extra:\n  anything: 1\n  more: {a: 2}\n", True, CONFIG, SCHEMA, {}),
    "keys below Any": (BASE + "free:\n  anything: 1\n", True, CONFIG, SCHEMA, {}),
    "optional": (BASE + "perhaps:\n  width: 3\n", True, CONFIG, SCHEMA, {}),
    "list": (BASE + "several:\n  - width: 3\n  - width: 4\n", True, CONFIG, SCHEMA, {}),
    "plain dict": ("defaults:\n  - schema\n  - _self_\nmore: 1\n", True, "", 'cs.store(name="schema", node={"a": 1})', {}),
    "inherited": (
        BASE + "width: 1\ndepth: 3\n", True, "", 'cs.store(name="schema", node=Deep)', {},
    ),
    "inherited, unknown": (BASE + "width: 1\nheight: 3\n", False, "", 'cs.store(name="schema", node=Deep)', {}),
    "an instance": (BASE + "depth: 5\n", True, "", 'cs.store(name="schema", node=Deep(width=2))', {}),
    "an instance, unknown": (BASE + "heads: 5\n", False, "", 'cs.store(name="schema", node=Deep(width=2))', {}),
    "option of a group": (
        "defaults:\n  - schema\n  - model: big\n  - _self_\n", True, CONFIG, SCHEMA,
        {"conf/model/big.yaml": "defaults:\n  - base\nwidth: 64\n"},
    ),
    "option of a group, unknown": (
        "defaults:\n  - schema\n  - model: big\n  - _self_\n", False, CONFIG, SCHEMA,
        {"conf/model/big.yaml": "wide: 64\n"},
    ),
    "schema of a group, unknown": (
        "defaults:\n  - model: big\n  - _self_\n", False, "", 'cs.store(group="model", name="base", node=Deep)',
        {"conf/model/big.yaml": "defaults:\n  - base\nwide: 64\n"},
    ),
    "subclass in the place of its base": ("defaults:\n  - schema\n  - model: deep\n  - _self_\nmodel:\n  depth: 9\n", True, CONFIG, SCHEMA, {}),
    "mandatory, chosen": (
        "defaults:\n  - schema\n  - model: deep\n  - _self_\nmodel:\n  depth: 9\n", True,
        "@dataclass\nclass Config:\n    model: Model = MISSING\n", SCHEMA, {},
    ),
    "fields made by a decorator": (
        BASE + "made: 1\n", True,
        "def more(cls):\n    return dataclass(type(cls.__name__, (cls,), {'made': 0, '__annotations__': {'made': int}}))\n\n\n"
        "@more\n@dataclass\nclass Config:\n    a: int = 1\n", SCHEMA, {},
    ),
    "fields under a condition": (
        BASE + "made: 1\n", True, "@dataclass\nclass Config:\n    a: int = 1\n    if a:\n        made: int = 0\n", SCHEMA, {},
    ),
    "a dict with fields": (BASE + "made: 1\n", True, "@dataclass\nclass Config(Dict[str, Any]):\n    a: int = 1\n", SCHEMA, {}),
    "another package": (
        "defaults:\n  - schema@inner.part\n  - _self_\ninner:\n  other: 1\n  part:\n    width: 2\n", True, "", 'cs.store(name="schema", node=Model)', {},
    ),
    "another package, unknown": (
        "defaults:\n  - schema@inner.part\n  - _self_\ninner:\n  part:\n    widht: 2\n", False, "", 'cs.store(name="schema", node=Model)', {},
    ),
    "later than the config": ("defaults:\n  - _self_\n  - schema\nmodle: 1\n", True, CONFIG, SCHEMA, {}),
    "with slots": (BASE + "a: 2\n", True, "@dataclass(slots=True)\nclass Config:\n    a: int = 1\n", SCHEMA, {}),
    "frozen, unknown": (BASE + "b: 2\n", False, "@dataclass(frozen=True)\nclass Config:\n    a: int = 1\n", SCHEMA, {}),
    "defaults and hydra in the class": (
        "defaults:\n  - schema\n  - _self_\na: 2\nhydra:\n  job:\n    chdir: false\n", True,
        "@dataclass\nclass Config:\n    defaults: List[Any] = field(default_factory=lambda: ['_self_'])\n    a: int = 1\n"
        "    hydra: Any = field(default_factory=lambda: {'job': {'name': 'x'}})\n", SCHEMA, {},
    ),
    "a class that names itself": (
        BASE + "child:\n  a: 2\n", True, "@dataclass\nclass Config:\n    a: int = 1\n    child: Optional['Config'] = None\n", SCHEMA, {},
    ),
    "interpolations": (
        BASE + "b: ${a}\n", True, "@dataclass\nclass Config:\n    a: int = 1\n    b: int = 2\n    c: str = '${b}'\n", SCHEMA, {},
    ),
    "a dataclass in a dict, unknown": (
        BASE + "model:\n  height: 2\n", False, "", "cs.store(name='schema', node={'model': Model(), 'other': 1})", {},
    ),
    "two schemas merged": (
        "defaults:\n  - schema\n  - second\n  - _self_\nwidth: 2\n", True, "", 'cs.store(name="schema", node=Model)\ncs.store(name="second", node=Deep)', {},
    ),
    "a key added by the command": (
        BASE + "a: 2\n", True, "@dataclass\nclass Config:\n    a: int = 1\n", SCHEMA, {"README.md": "    python app.py a=3\n"},
    ),
    "a dict put over a dataclass": (
        "defaults:\n  - schema\n  - other\n  - _self_\nmodel:\n  width: 2\n", True, CONFIG,
        SCHEMA + '\ncs.store(name="other", node={"model": {"width": 5}})', {},
    ),
    "a dict put over a dataclass, unknown": (
        "defaults:\n  - schema\n  - other\n  - _self_\n", False, CONFIG,
        SCHEMA + '\ncs.store(name="other", node={"model": {"height": 5}})', {},
    ),
}  # fmt: skip


def files_of(name: str) -> dict[str, str]:
    config, _, body, stores, others = SCHEMAS[name]
    more = (
        'cs.store(group="model", name="base", node=Model)\ncs.store(group="model", name="deep", node=Deep)\n'
        if body == CONFIG or "MISSING\n" in body
        else ""
    )
    return {"app.py": HEAD + body + TAIL.replace("STORE", more + stores), "conf/config.yaml": config, **others}


@pytest.fixture(scope="module")
def really(tmp_path_factory) -> dict[str, bool]:
    """Whether each program runs."""
    programs = {name: files_of(name) for name in SCHEMAS}
    codes = exit_codes(tmp_path_factory.mktemp("programs"), programs, "app.py", ["hydra", "omegaconf"])
    return {name: code == 0 for name, code in codes.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_hydra_refuses(composer, really, name):
    assert really[name] is SCHEMAS[name][1]
    verdict = judged(composer, files_of(name))
    refused = [entry for entry in errors(verdict) if entry.startswith("HYD102")]
    assert bool(refused) is not SCHEMAS[name][1], verdict.findings
