"""Defects of the family ENV."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, plants

FILE = "pyproject.toml"
IMPORTED_AS = {"hydra-core": "hydra", "scikit-learn": "sklearn"}


@plants("ENV101")
def caret_versions(draft: Draft) -> None:
    draft.change(FILE, r'^    "torch>=(\S+)",$', r'    "torch^\1",§')


@plants("ENV101")
def dependencies_as_table(draft: Draft) -> None:
    names = re.findall(r'^    "([\w-]+)>=', draft.files[FILE], re.MULTILINE)
    table = "".join(f'{name} = "*"\n' for name in names)
    draft.change(FILE, r"^dependencies = \[\n(?:    .*\n)+\]\n", f"\n[project.dependencies]§\n{table}")


@plants("ENV101")
def wrong_name_of_sklearn(draft: Draft) -> None:
    draft.change(FILE, r'^    "scikit-learn(.*)$', r'    "sklearn\1§')


@plants("ENV102")
def dependency_forgotten(draft: Draft) -> None:
    used = [
        name
        for name in re.findall(r'^    "([\w-]+)>=', draft.files[FILE], re.MULTILINE)
        if name not in ("omegaconf", "numpy", "torch", "pandas", "scipy") and name != "matplotlib"
    ]
    name = draft.rng.choice(used)
    draft.change(FILE, rf'^    "{name}>=.*\n', "")
    module = IMPORTED_AS.get(name, name)
    draft.change("src/*.py", rf"^(\s*(?:import|from) {module}\b.*)$", r"\1§", every=True)


@plants("ENV102")
def import_that_nobody_declared(draft: Draft) -> None:
    module = draft.rng.choice(["import einops", "import cv2", "from tensorboardX import SummaryWriter"])
    draft.change("src/train.py", r"^(import torch)$", rf"\1\n{module}§")


@plants("ENV103")
def dependency_never_imported(draft: Draft) -> None:
    draft.change(FILE, r'^(    "torch>=.*)$', r'\1\n    "einops>=0.8",§')


REMOVED = {
    "scipy": "from scipy.stats import binom_test",
    "numpy": "import numpy as np; NOTHING = np.NaN",
    "scikit-learn": "from sklearn.metrics import plot_roc_curve",
    "torch": "from torch._six import string_classes",
}


@plants("ENV106")
def name_that_the_library_gave_up(draft: Draft) -> None:
    declared = re.findall(r'^    "([\w-]+)>=', draft.files[FILE], re.MULTILINE)
    line = REMOVED[draft.rng.choice([name for name in REMOVED if name in declared])]
    draft.change("src/train.py", r"^(import torch)$", rf"\1\n{line}§")


@plants("ENV106")
def method_that_omegaconf_never_had(draft: Draft) -> None:
    name = draft.rng.choice(["deepcopy", "from_yaml", "to_dict"])
    draft.change("src/*.py", r"^( *.*\bOmegaConf\.)(?:to_container|to_yaml|save|load|create|merge)(\(.*)$", rf"\1{name}\2§")


@plants("ENV104")
def caret_python(draft: Draft) -> None:
    draft.change(FILE, r'^requires-python = ">=3\.11"$', 'requires-python = "^3.11"§')


@plants("ENV104")
def version_is_a_word(draft: Draft) -> None:
    draft.change(FILE, r'^version = "0\.1\.0"$', 'version = "latest"§')


@plants("ENV104")
def built_without_a_package(draft: Draft) -> None:
    draft.change(
        FILE,
        r"^(?:#.*\n)?\[tool\.uv\]\npackage = false\n",
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"§\n',
    )
