"""HYD102: what the group that the command selects, the defaults list and the folder of the run configs say of each other is told."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

LIST = "defaults:\n  - _self_\n  - run: ???"
LOADED = "or give the shared config a key `run: null` and load `config/runs/<run id>.yaml` in the code"
# The defaults list, whether the run configs lie in `config/runs`, and a part of what is to be done.
CASES = {
    "no defaults list": ("", False, "a defaults list with `- run: ???`, which takes the run's file from `config/run`"),
    "a list without it": ("defaults:\n  - _self_", False, "a defaults list with `- run: ???`"),
    "no defaults list, the other folder": ("", True, LOADED),
    "a list without it, the other folder": ("defaults:\n  - _self_", True, LOADED),
    "the group of the other folder": ("defaults:\n  - _self_\n  - runs: ???", True, "move them to `config/run`"),
    "that group, optional": ("defaults:\n  - _self_\n  - optional runs: ???", True, LOADED),
    "that group, chosen": ("defaults:\n  - _self_\n  - runs: proposed-mlp-digits", True, LOADED),
    "the group of a folder that is not there": (LIST, True, "the run configs lie in `config/runs`"),
    "another group that nobody chooses": (f"{LIST}\n  - optimizer: ???", False, "make the config compose"),
    "another group that is not there": (f"{LIST}\n  - optimizer: sgd", False, "make the config compose"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_to_do_names_the_group_and_the_folder(name: str, golden: dict[str, str], composer: Composer) -> None:
    defaults, is_moved, wanted = CASES[name]
    files = {path.replace("config/run/", "config/runs/") if is_moved else path: text for path, text in golden.items()}
    assert LIST in files["config/config.yaml"]
    files["config/config.yaml"] = files["config/config.yaml"].replace(LIST, defaults)
    if name.startswith("another group that nobody"):
        files["config/optimizer/sgd.yaml"] = "lr: 1\n"
    options = CheckOptions(select=("HYD102",), contract="mode-trial" if is_moved else "trial-mode")
    found = check(experiment_of(files), options, composer).findings
    assert found
    assert all(wanted in finding.action for finding in found), [finding.action for finding in found]
