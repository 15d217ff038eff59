"""`rootutils.setup_root` looks upwards for what marks a root: the folder that it finds is the one whose configs are composed."""

from __future__ import annotations

import pytest
from test_generic import errors, judged

from gonogo.compose.client import Composer

MAIN = """import os
from pathlib import Path

import hydra
import {library}

root = {library}.{call}


@hydra.main(version_base="1.3", config_path={path}, config_name="train.yaml")
def main(cfg):
    print(cfg.lr)


if __name__ == "__main__":
    main()
"""
CALLS = [
    'setup_root(__file__, indicator=".project-root")',
    'setup_root(search_from=__file__, indicator=[".git", "pyproject.toml", "README.md"], pythonpath=True, dotenv=True)',
    'setup_root(search_from=__file__, indicator=("README.md",))',
    'setup_root(os.path.dirname(__file__), "README.md")',
    'setup_root(Path(__file__).parent, indicator="README.md")',
    'find_root(search_from=__file__, indicator="README.md")',
    'find_root(__file__, ["missing.txt", ".project-root"])',
    "setup_root(__file__)",
]
PATHS = ['root / "configs"', 'str(root / "configs")', 'os.path.join(root, "configs")', 'f"{root}/configs"']


def files(call: str, path: str, library: str, runner: str) -> dict[str, str]:
    return {
        f"{runner}src/train.py": MAIN.format(library=library, call=call, path=path),
        f"{runner}configs/train.yaml": "lr: 1\n",
        f"{runner}README.md": "# Runner\n",
        f"{runner}.project-root": "",
        "README.md": "# All\n",
    }


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("library", ["rootutils", "pyrootutils"])
@pytest.mark.parametrize("runner", ["", "runner/"])
def test_the_root_is_where_its_mark_is(call: str, library: str, runner: str, composer: Composer) -> None:
    verdict = judged(composer, files(call, PATHS[0], library, runner))
    assert not errors(verdict) and not verdict.undecided


@pytest.mark.parametrize("path", PATHS)
def test_the_config_path_in_several_forms(path: str, composer: Composer) -> None:
    verdict = judged(composer, files(CALLS[1], path, "rootutils", "runner/"))
    assert not errors(verdict) and not verdict.undecided


@pytest.mark.parametrize("call", CALLS[:3])
def test_a_root_without_configs_is_found(call: str, composer: Composer) -> None:
    given = files(call, PATHS[0], "rootutils", "runner/")
    given["configs/train.yaml"] = given.pop("runner/configs/train.yaml")
    assert [entry[:6] for entry in errors(judged(composer, given))] == ["HYD102"]
