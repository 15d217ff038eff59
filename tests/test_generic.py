"""The contract `generic`: entry points found and composed, configs held against code; quiet about what is not the project's fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli import answered, copy_of
from experiments_of_texts import GOLDEN, experiment_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.verdict import Outcome, Verdict

MAIN = """import hydra
from omegaconf import DictConfig

@hydra.main(version_base="1.3", config_path="{folder}", config_name="config")
def main(cfg: DictConfig) -> None:
    {body}

if __name__ == "__main__":
    main()
"""


def program(body: str, folder: str = "conf") -> str:
    """An entry point whose function has this body."""
    return MAIN.format(folder=folder, body=body.replace("\n", "\n    "))


def judged(composer: Composer, files: dict[str, str], *entries: str) -> Verdict:
    return check(experiment_of(files), CheckOptions(contract="generic", entries=entries), composer)


def errors(verdict: Verdict) -> list[str]:
    return [f"{finding.rule} {finding.location}" for finding in verdict.findings if finding.blocks]


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def cli(*arguments: str | Path, code: int) -> dict:
    result = answered("check", *arguments, "--contract", "generic", "--format", "json")
    assert result.returncode == code, result.stdout + result.stderr
    return json.loads(result.stdout)


# -- entry points ---------------------------------------------------------------------------------------------------------

TWO = {
    "train.py": program("print(cfg.lr)"),
    "tools/export.py": program("print(cfg.format)", "../conf/export"),
    "tests/test_app.py": program("print(cfg.nothing)"),
    "conf/config.yaml": "lr: 1\n",
    "conf/export/config.yaml": "path: out\n",
}


@pytest.mark.slow
def test_every_entry_point_is_a_run(tmp_path):
    verdict = cli(lay_out(tmp_path / "x", TWO), code=1)
    assert verdict["contract"] == "generic"
    assert verdict["runs"] == ["tools/export.py", "train.py"]
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["location"]["path"], finding["location"]["line"]) == ("HYD104", "tools/export.py", 6)
    assert any("1 entry points in tests were left out" in note for note in verdict["notes"])


def test_entry_points_can_be_named_with_overrides(tmp_path):
    tree = lay_out(tmp_path / "x", {**TWO, "conf/config.yaml": "lr: 1\ndefaults:\n  - model: ???\n", "conf/model/a.yaml": "size: 1\n"})
    verdict = cli(tree, "--entry", "train.py model=a lr=2", code=0)
    assert verdict["runs"] == ["train.py model=a lr=2"]
    assert cli(tree, "--entry", "tests.test_app model=a", code=1)["runs"] == ["tests/test_app.py model=a"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--contract", "generic", "--entry", "nope.py"], "The entry point 'nope.py' is no Python file of the project"),
        (["--contract", "generic", "--entry", ""], "can't be read"),
        (["--contract", "generic", "--entry", "train.py 'x"], "can't be read"),
        (["--contract", "trial-mode", "--entry", "train.py"], "--entry goes with --contract generic"),
    ],
)
def test_wrong_entry_points(tmp_path, arguments, sentence):
    result = answered("check", lay_out(tmp_path / "x", TWO), *arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr


def test_nothing_to_start_is_not_go(tmp_path):
    verdict = cli(lay_out(tmp_path / "x", {"lib.py": "x = 1\n"}), code=3)
    assert "no function under `@hydra.main`" in verdict["code_issue"]


def test_no_rule_left_is_not_go(tmp_path):
    assert cli(lay_out(tmp_path / "x", TWO), "--select", "STR", code=3)["findings"] == []


@pytest.mark.slow
def test_golden_experiment_is_a_hydra_project_too(tmp_path):
    verdict = cli(copy_of(GOLDEN, tmp_path / "x"), code=0)
    assert verdict["findings"] == []
    names = ("comparative-1-mlp-digits", "proposed-mlp-digits")
    assert sorted(verdict["runs"]) == sorted(f"src/{module}.py run={name}" for module in ("main", "train") for name in names)


def test_a_shape_that_nobody_asked_for_is_no_error(tmp_path):
    result = answered("check", lay_out(tmp_path / "x", TWO), "--format", "json")
    verdict = json.loads(result.stdout)
    assert verdict["contract"] == "generic"
    assert "choose another with --contract" in verdict["contract_reason"]


def test_nothing_of_the_project_is_executed(tmp_path):
    witness = tmp_path / "witness"
    bomb = f"open({str(witness)!r}, 'w').close()\n"
    tree = lay_out(
        tmp_path / "x",
        {
            "train.py": bomb + program("print(hydra.utils.instantiate(cfg.model))"),
            "pkg/__init__.py": bomb,
            "pkg/model.py": bomb + "def build(size):\n    return size\n",
            "conf/config.yaml": f'model:\n  _target_: pkg.model.build\n  size: ${{oc.env:HOME}}\n  more: ${{eval:"{bomb.strip()}"}}\n',
        },
    )
    verdict = cli(tree, code=1)
    assert {finding["rule"] for finding in verdict["findings"]} == {"HYD115", "HYD116"}
    assert not witness.exists()


# -- runs ---------------------------------------------------------------------------------------------------------------


def test_choices_of_whole_runs_are_composed(composer):
    files = {
        "train.py": program("print(cfg.model.size)"),
        "conf/config.yaml": "defaults:\n  - model: small\n  - experiment: null\n",
        "conf/model/small.yaml": "size: 1\n",
        "conf/model/bare.yaml": "name: bare\n",
        "conf/experiment/good.yaml": "# @package _global_\nmodel:\n  size: 2\n",
        "conf/experiment/bad.yaml": "# @package _global_\ndefaults:\n  - override /model: none_such\n",
        "conf/experiment/deep/lacking.yaml": "# @package _global_\ndefaults:\n  - override /model: bare\n",
    }
    verdict = judged(composer, files)
    assert verdict.runs == ["train.py", *(f"train.py experiment={name}" for name in ("bad", "deep/lacking", "good"))]
    assert errors(verdict) == ["HYD102 conf/experiment/bad.yaml:3", "HYD104 train.py:6"]
    assert [finding.runs for finding in verdict.findings] == [["train.py experiment=bad"], ["train.py experiment=deep/lacking"]]


@pytest.mark.slow
def test_runs_are_bounded_and_what_is_left_out_is_said(composer):
    files = {"train.py": program("print(cfg.a)"), "conf/config.yaml": "defaults:\n  - exp: null\na: 1\n"}
    files |= {f"conf/exp/e{number:03}.yaml": f"b: {number}\n" for number in range(100)}
    verdict = judged(composer, files)
    assert len(verdict.runs) == 64
    assert any("37 of 100 choices of whole runs were left out" in note for note in verdict.notes)


def test_files_that_start_a_sweep_are_runs(composer):
    sweep = "# @package _global_\ndefaults:\n  - override /hydra/sweeper: optuna\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      +extra: choice(1, 2)\n      lr: interval(0, 1)\n"
    files = {
        "train.py": program("print(cfg.lr, cfg.extra)"),
        "conf/config.yaml": "defaults:\n  - search: null\nlr: 1\nextra: 1\n",
        "conf/search/wide.yaml": sweep,
    }
    verdict = judged(composer, files)
    assert (verdict.runs, errors(verdict)) == (["train.py", "train.py search=wide"], [])
    verdict = judged(composer, {**files, "conf/config.yaml": "defaults:\n  - search: null\nlr: 1\n"})
    assert [finding.runs for finding in verdict.findings] == [["train.py"]]


def test_primary_configs_are_runs_where_none_is_named(composer):
    files = {
        "train.py": program("print(cfg.lr)").replace(', config_name="config"', ""),
        "conf/a.yaml": "lr: 1\n",
        "conf/b.yaml": "rate: 1\n",
    }
    verdict = judged(composer, files)
    assert verdict.runs == ["train.py --config-name=a", "train.py --config-name=b"]
    assert [finding.runs for finding in verdict.findings] == [["train.py --config-name=b"]]


def test_a_choice_that_is_asked_for_is_made(composer):
    files = {
        "train.py": program("print(cfg.db.port, cfg.db.hots)"),
        "conf/config.yaml": "defaults:\n  - db: ???\n",
        "conf/db/mysql.yaml": "port: 1\nhost: x\n",
    }
    verdict = judged(composer, files)
    assert verdict.runs == ["train.py db=mysql"]
    assert errors(verdict) == ["HYD104 train.py:6"]


def test_a_choice_nobody_can_make_is_not_go(composer):
    verdict = judged(composer, {"train.py": program("pass"), "conf/config.yaml": "defaults:\n  - db: ???\n"})
    assert (verdict.outcome, errors(verdict)) == (Outcome.UNDECIDED, [])
    assert "it asks for a choice of `db`" in verdict.code_issue


# -- structured configs ---------------------------------------------------------------------------------------------------

STRUCTURED = """from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Optional

import hydra
from helpers import flag, guess, load_names, settings
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, II

class Kind(Enum):
    A = 1

@dataclass
class Base:
    driver: str = MISSING
    port: int = 80

@dataclass
class MySQL(Base):
    driver: str = "mysql"
    kind: Kind = Kind.A
    names: List[str] = field(default_factory=lambda: ["a"])
    options: Dict[str, Any] = field(default_factory=dict)

@dataclass
class Config:
    defaults: List[Any] = field(default_factory=lambda: ["_self_", {"db": "mysql"}])
    db: Base = MISSING
    spare: Optional[Base] = None
    items: List[Base] = field(default_factory=list)
    copy: int = II("db.port")

cs = ConfigStore.instance()
cs.store(name="config", node=Config)
cs.store(group="db", name="mysql", node=MySQL)

@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg: Config) -> None:
    BODY

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("print(cfg.db.driver, cfg.db.port, cfg.db.names[0], cfg.copy)", []),
        ("print(cfg.db.kind.name, cfg.db.options.anything)", ["HYD104 app.py:39"]),
        ("print(cfg.db.kind.name)", []),
        ("print(cfg.db.prot)", ["HYD104 app.py:39"]),
        ("print(cfg.db.user)", ["HYD104 app.py:39"]),
    ],
)
def test_dataclasses_in_the_store(composer, body, found):
    verdict = judged(composer, {"app.py": STRUCTURED.replace("BODY", body)})
    assert (errors(verdict), verdict.undecided) == (found, [])


def test_a_yaml_file_is_merged_into_its_schema(composer):
    text = STRUCTURED.replace("config_path=None", 'config_path="conf"').replace('name="config", node', 'name="base_config", node')
    text = text.replace('"_self_", {"db": "mysql"}', '"_self_"')
    files = {"conf/config.yaml": "defaults:\n  - base_config\n  - _self_\nspare:\n  driver: x\nitems:\n  - driver: y\n"}
    body = "print(cfg.spare.port, cfg.items[0].port, cfg.items[0].driver)\n    print(cfg.spare.pool)"
    verdict = judged(composer, {**files, "app.py": text.replace("BODY", body)})
    assert errors(verdict) == ["HYD104 app.py:40"]


@pytest.mark.parametrize(
    "store",
    [
        "for name in load_names():\n    cs.store(group='db', name=name, node=MySQL)",
        "cs.store(**settings())",
        "if flag():\n    cs.store(group='db', name='other', node=MySQL)",
    ],
)
def test_a_store_that_the_source_does_not_tell_is_unknown(composer, store):
    text = (
        STRUCTURED.replace("cs.store(group=", f"{store}\ncs.store(group=")
        .replace('{"db": "mysql"}', '{"db": "other"}')
        .replace("BODY", "pass")
    )
    verdict = judged(composer, {"app.py": text})
    assert errors(verdict) == []
    assert verdict.outcome is Outcome.UNDECIDED


def test_a_group_that_the_store_surely_lacks_is_an_error(composer):
    verdict = judged(composer, {"app.py": STRUCTURED.replace('{"db": "mysql"}', '{"db": "other"}').replace("BODY", "pass")})
    assert [finding.rule for finding in verdict.findings] == ["HYD102"]


def test_fields_whose_default_is_computed_are_unknown(composer):
    text = STRUCTURED.replace("    port: int = 80", "    port: int = guess()\n    extra: Any = guess()").replace(
        "BODY", "print(cfg.db.port, cfg.db.extra.deep)\n    print(cfg.db.none)"
    )
    assert errors(judged(composer, {"app.py": text})) == ["HYD104 app.py:41"]


# -- what is not the project's fault ------------------------------------------------------------------------------------------

QUIET: dict[str, dict[str, str]] = {
    "plugins that are not installed": {
        "conf/config.yaml": "defaults:\n  - override hydra/launcher: submitit_slurm\n  - override hydra/sweeper: optuna\n  - override hydra/sweeper/sampler: tpe\n  - override hydra/job_logging: colorlog\na: 1\nhydra:\n  launcher:\n    timeout_min: 5\n",
    },
    "a search path within the project": {
        "conf/config.yaml": "defaults:\n  - extra: x\n  - _self_\na: 1\nhydra:\n  searchpath:\n    - file://more\n    - pkg://lib.conf\n",
        "more/extra/x.yaml": "b: 1\n",
        "lib/__init__.py": "",
        "lib/conf/__init__.py": "",
    },
    "optional groups": {"conf/config.yaml": "defaults:\n  - optional local: default\n  - optional x/y@z: w\na: 1\n"},
    "a mandatory value": {"conf/config.yaml": "a: ???\n"},
    "a resolver": {"conf/config.yaml": "a: ${oc.env:NO_SUCH_VARIABLE}\nb: ${mine:1}\nc: ${now:%H}\n"},
    "an empty group": {"conf/config.yaml": "defaults:\n  - logger: null\na: 1\n", "train.py": program("print(cfg.a, cfg.logger.name)")},
    "a key that a documented command adds": {
        "conf/config.yaml": "a: 1\n",
        "train.py": program("print(cfg.a, cfg.extra.path)"),
        "README.md": "Run it:\n\n    python train.py +extra.path=here\n",
    },
    "a package and a group by another name": {
        "conf/config.yaml": "defaults:\n  - db@source: x\n  - db@target: y\n  - _self_\na: 1\n",
        "conf/db/x.yaml": "port: 1\n",
        "conf/db/y.yaml": "# @package _group_.deep\nport: 2\n",
        "train.py": program("print(cfg.a, cfg.source.port, cfg.target.port)"),
    },
    "code that a condition may skip": {
        "conf/config.yaml": "a: 1\n",
        "train.py": program("import torch\nif torch.cuda.is_available():\n    print(cfg.gpu.memory)\nprint(cfg.a)"),
    },
    "a callback that runs after the key is written": {
        "conf/config.yaml": "a: 1\n",
        "train.py": program(
            "import jax\nfrom omegaconf import open_dict\nstep = jax.jit(lambda x: x * cfg.b)\nwith open_dict(cfg):\n    cfg.b = 2\nprint(step(cfg.a))"
        ),
    },
    "an exception that is expected": {
        "conf/config.yaml": "a: 1\n",
        "train.py": program("import pytest\nwith pytest.raises(AttributeError):\n    cfg.new = 1\nprint(cfg.a)"),
    },
    "version_base of old": {
        "conf/config.yaml": "a: 1\n",
        "train.py": program("print(cfg.a)").replace('version_base="1.3", ', ""),
    },
    "YAML of other tools": {
        "conf/config.yaml": "a: 1\n",
        "charts/values.yaml": "{{ if x }}\na: 1\na: 2\n",
        "ci.yml": "a: !reference [x]\n",
    },
    "modules that are laid over another package": {
        "conf/config.yaml": "a: 1\n",
        "replace/models/gemma.py": "from ...utils import logging\n",
        "pkg/__init__.py": "from ._version import version\n",
    },
    "a pyproject that is for tools": {"conf/config.yaml": "a: 1\n", "pyproject.toml": "[tool.black]\nline-length = 100\n"},
    "a child of a module in its own folder": {
        "conf/config.yaml": "a: 1\n",
        "train.py": "from helpers import show\n" + program("show(cfg)"),
        "helpers.py": "def show(cfg):\n    print(cfg.a)\n",
    },
    "targets of installed packages": {
        "conf/config.yaml": "a:\n  _target_: torch.optim.Adam\n  lr: 1\nb:\n  _target_: somewhere.else.Thing\n",
        "train.py": program("print(hydra.utils.instantiate(cfg.a), hydra.utils.instantiate(cfg.b))"),
    },
    "a target that is looked up by hand": {
        "conf/config.yaml": "_target_: work.Space\na: 1\nextra: 2\n",
        "work.py": "class Space:\n    def __init__(self, cfg):\n        self.cfg = cfg\n",
        "train.py": program("print(hydra.utils.get_class(cfg._target_)(cfg))"),
    },
}


@pytest.mark.parametrize("files", QUIET.values(), ids=QUIET.keys())
def test_is_quiet_about(composer, files):
    verdict = judged(composer, {"train.py": program("print(cfg.a)"), **files})
    assert [f"{finding.rule}: {finding.message}" for finding in verdict.findings if finding.blocks] == []
    assert verdict.undecided == []


UNSURE: dict[str, tuple[dict[str, str], str]] = {
    "a search path outside": (
        {"conf/config.yaml": "defaults:\n  - extra: x\na: 1\nhydra:\n  searchpath: [pkg://some.package]\n"},
        "not in the project",
    ),
    "a config folder of the command line": (
        {"train.py": program("print(cfg.a)").replace('config_path="conf", ', "")},
        "only the command line says",
    ),
    "Hydra as it was at first": (
        {"train.py": program("print(cfg.a)").replace('config_path="conf"', 'config_path="conf/config.yaml"')},
        "Hydra 0.11",
    ),
    "an older Hydra by its pin": (
        {
            "setup.py": "import setuptools\nsetuptools.setup(install_requires=['hydra-core>=1.0,<1.1'])\n",
            "train.py": program("print(cfg.nothing)"),
        },
        "older than 1.1",
    ),
    "a computed config folder": (
        {
            "train.py": program("print(cfg.a)")
            .replace('config_path="conf"', "config_path=find()")
            .replace("import hydra", "import hydra\nfrom helpers import find")
        },
        "is computed",
    ),
}


@pytest.mark.parametrize(("files", "reason"), UNSURE.values(), ids=UNSURE.keys())
def test_what_cannot_be_known_is_no_error_and_no_go(composer, files, reason):
    verdict = judged(composer, {"train.py": program("print(cfg.a)"), "conf/config.yaml": "a: 1\n", **files})
    assert errors(verdict) == []
    assert verdict.outcome is Outcome.UNDECIDED
    assert reason in verdict.code_issue


# -- what is ------------------------------------------------------------------------------------------------------------

LOUD: dict[str, tuple[dict[str, str], list[str]]] = {
    "a default that is not there": (
        {"conf/config.yaml": "defaults:\n  - _self_\n  - model: large\n", "conf/model/small.yaml": "a: 1\n"},
        ["HYD102 conf/config.yaml:3"],
    ),
    "an override of nothing": ({"conf/config.yaml": "defaults:\n  - override model: large\na: 1\n"}, ["HYD102 conf/config.yaml:2"]),
    "a config folder that is not there": ({"conf/config.yaml": "a: 1\n", "train.py": program("pass", "config")}, ["HYD102 train.py:4"]),
    "a reference to nothing": ({"conf/config.yaml": "a: ${b.c}\n"}, ["HYD115 conf/config.yaml:1"]),
    "a key twice": ({"conf/config.yaml": "a: 1\na: 2\n"}, ["IMP103 conf/config.yaml:2"]),
    "a key in a group's file": (
        {
            "conf/config.yaml": "defaults:\n  - model: small\n",
            "conf/model/small.yaml": "size: 1\nrate: ${model.sise}\n",
            "train.py": program("print(cfg.model.rate)"),
        },
        ["HYD115 conf/model/small.yaml:2"],
    ),
    "a write that struct mode refuses": ({"conf/config.yaml": "a: 1\n", "train.py": program("cfg.b = 1")}, ["HYD107 train.py:6"]),
    "a read in a package of a source folder": (
        {
            "src/pkg/__init__.py": "",
            "src/pkg/work.py": "def work(cfg):\n    return cfg.model.sise\n",
            "src/pkg/cli.py": "from pkg.work import work\n" + program("work(cfg)", "conf"),
            "src/pkg/conf/config.yaml": "model:\n  size: 1\n",
            "train.py": "",
        },
        ["HYD104 src/pkg/work.py:2"],
    ),
    "two programs in one file": (
        {
            "conf/config.yaml": "a: 1\n",
            "train.py": program("print(cfg.a)")
            + program("print(cfg.b)").replace("main(cfg", "other(cfg").replace("    main()", "    other()"),
        },
        ["HYD104 train.py:15"],
    ),
    "a program that only an installed script starts": (
        {"conf/config.yaml": "a: 1\n", "train.py": program("print(cfg.b)").partition("if __name__")[0]},
        ["HYD104 train.py:6"],
    ),
    "a target that is not there": (
        {
            "conf/config.yaml": "a:\n  _target_: pkg.model.Nett\n",
            "pkg/__init__.py": "",
            "pkg/model.py": "class Net:\n    pass\n",
            "train.py": program("print(hydra.utils.instantiate(cfg.a))"),
        },
        ["HYD116 conf/config.yaml:2"],
    ),
    "a key that a target does not take": (
        {
            "conf/config.yaml": "defaults:\n  - model: net\n",
            "conf/model/net.yaml": "_target_: pkg.model.Net\nwidth: 1\nhight: 2\n",
            "pkg/__init__.py": "",
            "pkg/model.py": "class Net:\n    def __init__(self, width, height=1):\n        pass\n",
            "train.py": program("from hydra.utils import instantiate\nprint(instantiate(cfg.model))"),
        },
        ["HYD116 conf/model/net.yaml:3"],
    ),
    "an import within the package": (
        {
            "conf/config.yaml": "a: 1\n",
            "pkg/__init__.py": "",
            "pkg/a.py": "from .b import thing\n",
            "pkg/c.py": "from pkg.a import nothing\n",
        },
        ["IMP105 pkg/a.py:1", "IMP105 pkg/c.py:1"],
    ),
}


@pytest.mark.parametrize(("files", "found"), LOUD.values(), ids=LOUD.keys())
def test_finds(composer, files, found):
    verdict = judged(composer, {"train.py": program("print(cfg.a)"), **files})
    assert sorted(errors(verdict)) == found


def test_an_undefined_name_is_one_finding_for_its_file(composer):
    verdict = judged(composer, {"train.py": program("print(x)\nprint(x)\nprint(cfg.a)"), "conf/config.yaml": "a: 1\n"})
    (finding,) = verdict.findings
    assert (finding.rule, len(finding.related)) == ("IMP104", 1)
