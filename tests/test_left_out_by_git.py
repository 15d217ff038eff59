"""Configs that `.gitignore` leaves out are made by whoever runs the project; git itself says what a file leaves out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from experiments_of_texts import experiment_of
from test_generic import errors, judged, program

from gonogo.analysis.project.left_out_by_git import LeftOut
from gonogo.compose.client import Composer

PATTERNS = [
    "configs/",
    "configs",
    "/configs",
    "conf*",
    "con?igs/",
    "**/configs",
    "configs/**",
    "configs/*.yaml",
    "*.yaml\n!config.yaml",
    "*\n!*/\n!*.py",
    "/tools/configs",
    "tools/**/config.yaml",
    "[a-c]onfigs",
    "[!a-b]onfigs",
    "# configs\n\\#name\nlocal.yaml ",
    "configs/\n!configs/config.yaml",
    "configs/*\n!configs/user",
    "**/user/*",
    "user/local.yaml",
    "",
]
PATHS = [
    "configs/config.yaml",
    "configs/user/local.yaml",
    "tools/configs/config.yaml",
    "tools/deep/configs/config.yaml",
    "tools/configs.yaml",
    "train.py",
    "user/local.yaml",
    "#name",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_git_says_the_same(pattern: str, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(pattern)
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    folders = sorted({str(parent) for path in PATHS for parent in Path(path).parents if str(parent) != "."})
    command = ["git", "-c", "core.excludesFile=", "-C", str(tmp_path), "check-ignore", "--no-index", *PATHS, *folders]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    left_out = LeftOut(experiment_of({".gitignore": pattern}))
    found = [path for path in PATHS if left_out.has(path)] + [folder for folder in folders if left_out.has(folder, is_folder=True)]
    assert found == [path.strip('"') for path in said]


def test_files_of_inner_folders_have_the_last_word() -> None:
    left_out = LeftOut(experiment_of({".gitignore": "*.yaml\n", "conf/.gitignore": "!config.yaml\nlocal\n"}))
    assert not left_out.has("conf/config.yaml") and left_out.has("conf/other.yaml")
    assert left_out.has("conf/local/a.py") and not left_out.has("local/a.py")


@pytest.mark.parametrize("pattern", ["conf/", "/conf", "**/conf", "conf*/"])
def test_a_config_folder_that_git_leaves_out_is_undecided(pattern: str, composer: Composer) -> None:
    verdict = judged(composer, {"train.py": program("print(cfg.lr)"), ".gitignore": f"{pattern}\n", "conf.example/config.yaml": "lr: 1\n"})
    assert not errors(verdict)
    assert [reason for reason in verdict.undecided if "whoever runs the project makes it" in reason]


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ("defaults:\n  - user: local\nlr: 1\n", "conf/user/local.yaml"),
        ("defaults:\n  - user: local\nlr: 1\n", "local.yaml"),
        ("defaults:\n  - local\nlr: 1\n", "/conf/local.yaml"),
        ("defaults:\n  - user: local\nlr: 1\n", "user/"),
    ],
)
def test_a_config_that_git_leaves_out_is_undecided(config: str, pattern: str, composer: Composer) -> None:
    verdict = judged(composer, {"train.py": program("print(cfg.lr)"), ".gitignore": f"{pattern}\n", "conf/config.yaml": config})
    assert not errors(verdict)
    assert [reason for reason in verdict.undecided if "whoever runs the project makes it" in reason]


@pytest.mark.parametrize("pattern", ["", "outputs/", "!conf/", "configs/", "conf/*.json"])
def test_a_config_folder_that_is_only_missing_is_found(pattern: str, composer: Composer) -> None:
    verdict = judged(composer, {"train.py": program("print(cfg.lr)"), ".gitignore": f"{pattern}\n"})
    assert [entry[:6] for entry in errors(verdict)] == ["HYD102"]


@pytest.mark.parametrize("pattern", ["", "conf/user/mine.yaml", "outputs/"])
def test_a_config_that_is_only_missing_is_found(pattern: str, composer: Composer) -> None:
    files = {"train.py": program("print(cfg.lr)"), "conf/config.yaml": "defaults:\n  - user: local\nlr: 1\n", "conf/user/other.yaml": ""}
    assert [entry[:6] for entry in errors(judged(composer, {**files, ".gitignore": f"{pattern}\n"}))] == ["HYD102"]
