"""Whether a project asks for a version older than one, and what that means for Lightning's callbacks, which guessed their mode."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

CALLBACK = 'from pytorch_lightning.callbacks import ModelCheckpoint\n\nprint(ModelCheckpoint(monitor="val_acc"{mode}))\n'
LOCK = '[[package]]\nname = "pytorch-lightning"\nversion = "{version}"\n'
OLD: dict[str, dict[str, str]] = {
    "pinned": {"requirements.txt": "torch\npytorch_lightning==0.9.0\n"},
    "pinned with a comment": {"requirements.txt": "pytorch-lightning==1.2.10 # the newest\n"},
    "capped": {"requirements.txt": "pytorch-lightning>=1.0,<1.3\n"},
    "capped by the last one": {"requirements.txt": "pytorch-lightning<=1.2.10\n"},
    "a family": {"requirements.txt": "pytorch-lightning==1.1.*\n"},
    "compatible": {"requirements.txt": "pytorch-lightning~=1.2.3\n"},
    "a conda file": {"environment.yml": "dependencies:\n  - pip:\n    - pytorch-lightning==1.0.8\n"},
    "conda's own": {"environment.yml": "dependencies:\n  - pytorch-lightning=1.1.0=py_0\n"},
    "setup.py": {"setup.py": 'from setuptools import setup\n\nsetup(name="a", install_requires=["pytorch-lightning==1.2.0"])\n'},
    "pyproject": {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["pytorch-lightning==0.9"]\n'},
    "locked": {"uv.lock": LOCK.format(version="1.2.1"), "requirements.txt": "pytorch-lightning\n"},
    "one of two files": {"requirements.txt": "pytorch-lightning==1.9\n", "old/requirements.txt": "pytorch-lightning==0.8.5\n"},
}
NEW: dict[str, dict[str, str]] = {
    "nothing asked": {},
    "any": {"requirements.txt": "pytorch-lightning\n"},
    "from an old one on": {"requirements.txt": "pytorch-lightning>=1.0\n"},
    "pinned": {"requirements.txt": "pytorch-lightning==1.8.3\n"},
    "capped": {"requirements.txt": "pytorch-lightning<2\n"},
    "a family": {"requirements.txt": "pytorch-lightning==1.*\n"},
    "compatible": {"requirements.txt": "pytorch-lightning~=1.2\n"},
    "another library": {"requirements.txt": "torch==1.2\npytorch-lightning\n"},
    "locked": {"uv.lock": LOCK.format(version="2.1.0"), "requirements.txt": "pytorch-lightning\n"},
}


@pytest.mark.parametrize("files", OLD.values(), ids=OLD.keys())
def test_old_versions_guess_the_mode(files: dict[str, str], composer: Composer) -> None:
    assert not run_rules(composer, {**files, "train.py": CALLBACK.format(mode="")}, "TRN143")
    assert run_rules(composer, {**files, "train.py": CALLBACK.format(mode=', mode="min"')}, "TRN143")


@pytest.mark.parametrize("files", NEW.values(), ids=NEW.keys())
def test_newer_versions_take_the_smallest(files: dict[str, str], composer: Composer) -> None:
    assert run_rules(composer, {**files, "train.py": CALLBACK.format(mode="")}, "TRN143")
