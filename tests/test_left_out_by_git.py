"""Configs that `.gitignore` leaves out are made by whoever runs the project; git itself says what a file leaves out."""

from __future__ import annotations

import subprocess
import time
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
    "local.yaml\\ ",
    "configs/\n!configs/config.yaml",
    "configs/*\n!configs/user",
    "**/user/*",
    "user/local.yaml",
    *("*o*s/*c*n*", "c*n*f*s/*.y*ml", "*o*o*", "t*s/**/c*.yaml", "**/u*r/**", "co*gs/**/l*l.yaml", "*/*/*.yaml", "[a-c]*s", "c*s/c*g.yaml"),
    *("*configs", "*s*s", "*c*c*", "co**gs", "t*/*/c*s", "**/**/local.yaml", "tools/**/*.yaml", "*.y[a-z]ml", "*\\.yaml", "c?n*s/"),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern", ["*a" * 40 + "b", "**/*a*a*a*a*b", "a*/" * 20 + "*b", "[" * 60_000, " " * 200_000 + "b", "**/" * 20 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    left_out = LeftOut(experiment_of({".gitignore": pattern}))
    started = time.process_time()
    assert not left_out.has("/".join(["a" * 200] * 12))
    assert time.process_time() - started < 2


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


# -- configs that the project's own scripts write ----------------------------------------------------------------------------

MISSING = {
    "train.py": program("print(cfg.lr)"),
    "conf/config.yaml": "defaults:\n  - location: celeba\nlr: 1\n",
    "conf/location/example.yaml": "root: data\n",
}
WRITERS = [
    ("fetch/prepare.sh", 'CELEBA=${PWD}/conf/location/celeba.yaml\ntouch "$CELEBA"\necho "root: data" >> "$CELEBA"\n'),
    ("prepare.sh", "cp conf/location/example.yaml conf/location/celeba.yaml\n"),
    ("Makefile", "conf/location/celeba.yaml:\n\tcp conf/location/example.yaml $@\n"),
    ("run.bash", "cat > ./conf/location/celeba.yaml <<END\nroot: data\nEND\n"),
    ("job.sbatch", "sed s/x/y/ conf/location/example.yaml > conf/location/celeba.yaml\n"),
]


@pytest.mark.parametrize(("path", "script"), WRITERS)
def test_a_config_that_a_script_writes_is_undecided(path: str, script: str, composer: Composer) -> None:
    verdict = judged(composer, {**MISSING, path: script})
    assert not errors(verdict)
    assert [reason for reason in verdict.undecided if f"{path} speaks of it" in reason]


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("prepare.sh", "cp conf/location/example.yaml conf/location/other.yaml\n"),
        ("prepare.sh", "python train.py location=celeba\n"),
        ("prepare.sh", "touch conf/location/celeba.yaml.bak\n"),
        ("README.md", "Configs are in conf/location/celeba.yaml.\n"),
    ],
)
def test_a_config_that_no_script_writes_is_missing(path: str, script: str, composer: Composer) -> None:
    assert "HYD102" in {entry[:6] for entry in errors(judged(composer, {**MISSING, path: script}))}


# -- many programs whose config is gone --------------------------------------------------------------------------------------


def test_programs_whose_configs_are_missing_in_one_folder_are_one_fault(composer: Composer) -> None:
    files = {f"train_{name}.py": program("print(cfg.lr)").replace('"config"', f'"{name}"') for name in ("a", "b", "c", "d")}
    verdict = judged(composer, {**files, "conf/d.yaml": "lr: 1\n"})
    (found,) = [finding for finding in verdict.findings if finding.blocks]
    assert found.rule == "HYD102" and found.message.endswith("So do 2 more of the entry points.")
    assert [place.location.path for place in found.related] == ["train_b.py", "train_c.py"]
    assert len(found.runs) == 3


def test_programs_of_two_folders_are_two_faults(composer: Composer) -> None:
    files = {f"train_{name}.py": program("print(cfg.lr)", f"conf/{name}") for name in ("a", "b")}
    verdict = judged(composer, {**files, "conf/a/other.yaml": "lr: 1\n", "conf/b/other.yaml": "lr: 1\n"})
    assert [entry[:6] for entry in errors(verdict)] == ["HYD102", "HYD102"]
