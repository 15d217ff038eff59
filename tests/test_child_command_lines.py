"""Children that are given Hydra's own options: they compose from where these say, and their values are no overrides."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of, run_rules

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

STARTED = '"-m", "src.train", *build_overrides(cfg)]'
RULES = ("HYD102", "HYD103", "HYD104", "HYD106")
SMALL = """
defaults:
  - _self_
  - run: ???
results_dir: results
wandb: {entity: digits-lab, project: golden-digits, mode: online}
"""


def started(golden: dict[str, str], words: str, more: dict[str, str] | None = None, before: str = "") -> dict[str, str]:
    """The golden experiment, its child started with these words."""
    text = golden["src/main.py"]
    assert STARTED in text
    text = text.replace(STARTED, f'"-m", "src.train", {words}]')
    return {**golden, "src/main.py": text.replace("    command = [", f"{before}    command = ["), **(more or {})}


def rules_of(files: dict[str, str], composer: Composer) -> set[str]:
    return {finding.rule for finding in run_rules(composer, files, *RULES)}


@pytest.mark.parametrize(
    "words",
    [
        '"--config-path", "../config", "--config-name", "config", *build_overrides(cfg)',
        '"--config-path=../config", "--config-name=config", *build_overrides(cfg)',
        '"-cp", "../config", "-cn", "config", *build_overrides(cfg)',
        '"--config-name", "config.yaml", *build_overrides(cfg)',
        '*build_overrides(cfg), "--config-name", "config"',
        '*["--config-name", "config"], *build_overrides(cfg)',
        '*("-cn config".split()), *build_overrides(cfg)',
        "f\"--config-path={'..'}/config\", *build_overrides(cfg)",
        '"--config-name", str(cfg.get("nothing", "config")), *build_overrides(cfg)',
    ],
)
def test_options_with_their_values_are_no_overrides(golden: dict[str, str], composer: Composer, words: str) -> None:
    assert rules_of(started(golden, words), composer) == set()


@pytest.mark.parametrize(
    "words",
    [
        '"--config-name", "small", *build_overrides(cfg)',
        '"--config-name=small", *build_overrides(cfg)',
        '"-cn=small", *build_overrides(cfg)',
        '"--config-path", "../config/other", "--config-name", "small", *build_overrides(cfg)',
        '"--config-path=../config/other", "-cn", "small", *build_overrides(cfg)',
        '*build_overrides(cfg), "-cn", "small"',
    ],
)
def test_the_child_composes_the_config_that_is_named(golden: dict[str, str], composer: Composer, words: str) -> None:
    more = {"config/small.yaml": SMALL, "config/other/small.yaml": SMALL}
    more |= {path.replace("config/", "config/other/"): text for path, text in golden.items() if path.startswith("config/run/")}
    assert "HYD106" in rules_of(started(golden, words, more), composer)  # it has no `trial_mode`, which is passed on


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sys.stdin.readline()", "HydraConfig.get().job.config_name"])
def test_what_an_option_says_may_be_unknown(golden: dict[str, str], composer: Composer, name: str) -> None:
    files = started(golden, f'"--config-name", {name}, *build_overrides(cfg)')
    verdict = check(experiment_of(files), CheckOptions(select=RULES), composer)
    assert verdict.findings == []
    assert verdict.undecided  # what the child composes is not known
