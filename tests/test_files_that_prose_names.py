"""A document that names a program's file does not start it, so that what only a bare start lacks is nobody's fault."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

PROGRAM = """{docstring}import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print(cfg.index + 1)


if __name__ == "__main__":
    main()
"""
OTHER = '''"""{docstring}"""
import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="other")
def main(cfg):
    print(cfg.lr)


main()
'''
FILES = {"conf/config.yaml": "index: ???\nlr: 0.1\n", "conf/other.yaml": "lr: 0.1\n"}
NAMED = [
    "Settings are in `train.py`.",
    "Refer to `other.py` and `train.py` to enter the results by hand.",
    "- `train.py`: the training",
    "| `train.py` | trains |",
    "See [`train.py`](train.py).",
    "What `train.py` has made is read by `other.py`.",
    "```\n.\n├── conf\n└── train.py\n```",
    "<code>train.py</code> trains.",
    "1. `train.py`, 2. `other.py`",
    "**`train.py`** is where to begin",
]
STARTED = [
    "`python train.py`",
    "```\npython train.py\n```",
    "```sh\n./train.py\n```",
    "Run `$ python3 train.py` first.",
    "Call `python -m train`.",
]


def _files(text: str, place: str) -> dict[str, str]:
    files = {**FILES, "train.py": PROGRAM.format(docstring=""), "other.py": OTHER.format(docstring="Draws.")}
    if place == "README.md":
        return {**files, "README.md": f"# A project\n\n{text}\n"}
    return {**files, "other.py": OTHER.format(docstring=f"Draws.\n\n{text}\n")}


@pytest.mark.parametrize("place", ["README.md", "docstring"])
@pytest.mark.parametrize("text", NAMED)
def test_a_file_that_is_named_is_not_started(text: str, place: str, composer: Composer) -> None:
    assert not run_rules(composer, _files(text, place), "HYD104")


@pytest.mark.parametrize("place", ["README.md", "docstring"])
@pytest.mark.parametrize("text", STARTED)
def test_a_command_starts_it(text: str, place: str, composer: Composer) -> None:
    assert [finding.location.path for finding in run_rules(composer, _files(text, place), "HYD104")] == ["train.py"]
