"""A package's `__init__` runs before the modules in it, as Python has it: what it keeps in Hydra's store is there."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules
from test_generic import errors, judged

from gonogo.compose.client import Composer

STORING = """from dataclasses import dataclass

from hydra.core.config_store import ConfigStore


@dataclass
class Task:
    width: int = 3


ConfigStore.instance().store(name="schema", group="task", node=Task)
"""
COMPUTED = """from hydra.core.config_store import ConfigStore

from library import registry

for name, schema in registry.items():
    ConfigStore.instance().store(name=f"{name}_schema", group="task", node=schema)
"""
MAIN = """import hydra
{imported}


@hydra.main(version_base="1.3", config_path="{up}conf", config_name="config")
def main(cfg):
    print({read})


if __name__ == "__main__":
    main()
"""
IMPORTS = [
    "import pkg.tools",
    "import pkg.tools as tools",
    "from pkg import tools",
    "from pkg import tools as others",
    "from pkg.tools import help_me",
    "from pkg.tools import *",
    "from pkg.deep.inner import help_me",
    "import pkg.deep.inner",
    "from pkg.deep import inner",
    "from pkg.relative import help_me",
]


def files(imported: str, package: str, main: str = "train.py", read: str = "cfg.task.width") -> dict[str, str]:
    return {
        main: MAIN.format(imported=imported, read=read, up="../" * main.count("/")),
        "pkg/__init__.py": package,
        "pkg/tools.py": "def help_me():\n    pass\n",
        "pkg/deep/__init__.py": "",
        "pkg/deep/inner.py": "def help_me():\n    pass\n",
        "pkg/relative.py": "from . import tools\nfrom .deep.inner import help_me\n",
        "conf/config.yaml": "defaults:\n  - task: small\n",
        "conf/task/small.yaml": "defaults:\n  - schema\n  - _self_\n",
    }


@pytest.mark.parametrize("imported", IMPORTS)
@pytest.mark.parametrize("main", ["train.py", "pkg/train.py"])
def test_what_a_package_stores_is_there_for_its_modules(imported: str, main: str, composer: Composer) -> None:
    verdict = judged(composer, files(imported, STORING, main))
    assert not errors(verdict) and not verdict.undecided


@pytest.mark.parametrize("imported", IMPORTS)
def test_what_is_stored_has_no_other_keys(imported: str, composer: Composer) -> None:
    assert [entry[:6] for entry in errors(judged(composer, files(imported, STORING, read="cfg.task.height")))] == ["HYD104"]


@pytest.mark.parametrize("imported", IMPORTS)
def test_what_a_package_stores_under_computed_names_is_undecided(imported: str, composer: Composer) -> None:
    verdict = judged(composer, {**files(imported, COMPUTED), "conf/task/small.yaml": "defaults:\n  - small_schema\n  - _self_\n"})
    assert not errors(verdict)
    assert [reason for reason in verdict.undecided if "a name that the source alone does not tell" in reason]


@pytest.mark.parametrize("package", ["", "from . import tools\n"])
def test_a_config_that_nothing_stores_is_missing(package: str, composer: Composer) -> None:
    assert [entry[:6] for entry in errors(judged(composer, files("from pkg.tools import help_me", package)))] == ["HYD102"]


@pytest.mark.parametrize(
    ("imported", "called"),
    [
        ("from pkg import reading", "reading.read(cfg)"),
        ("from pkg import reading as r", "r.read(cfg)"),
        ("import pkg.reading", "pkg.reading.read(cfg)"),
        ("from pkg.deep import reading", "reading.read(cfg)"),
    ],
)
@pytest.mark.parametrize("package", ["", "import os\n", "from . import reading\n"])
def test_a_module_of_a_package_is_followed(imported: str, called: str, package: str, composer: Composer) -> None:
    reading = "def read(cfg):\n    print(cfg.absent)\n"
    found = run_rules(
        composer,
        {
            "train.py": MAIN.format(imported=imported, read=called, up=""),
            "pkg/__init__.py": package.replace("reading", "tools") if "deep" in imported else package,
            "pkg/tools.py": "",
            "pkg/deep/__init__.py": package,
            "pkg/reading.py": reading,
            "pkg/deep/reading.py": reading,
            "conf/config.yaml": "width: 3\n",
        },
        "HYD104",
    )
    assert [entry.location.path.rpartition("/")[2] for entry in found] == ["reading.py"]
