"""Repositories named instead of folders (`git+file://…`), cloned by the real git, and `--exclude`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from cli import answered, copy_of, git, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN
from hypothesis import given
from hypothesis import strategies as st

from gonogo.cli.repositories import cloned, is_repository, repository_of
from gonogo.model.errors import UsageError
from gonogo.model.policy import excluding

WRONG = """import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=1))
loss = nn.CrossEntropyLoss()(model(torch.randn(8, 4)), torch.zeros(8).long())
loss.backward()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The golden experiment as a repository whose first commit, tagged `first`, has an unknown key."""
    tree = copy_of(GOLDEN, tmp_path / "golden", GOLDEN_PLAN)
    right = (tree / "src/train.py").read_text("utf-8")
    git(tree, "init", "-q", "-b", "main")
    wrong = right.replace("cfg.run.training.learning_rate", "cfg.run.training.learning_rat")
    assert wrong != right
    for text in (wrong, right):
        (tree / "src/train.py").write_text(text, "utf-8")
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", "x")
    git(tree, "tag", "first", "HEAD~")
    return tree


@pytest.mark.slow
def test_a_repository_is_cloned_and_judged(repository: Path) -> None:
    done = answered("check", f"git+file://{repository}")
    assert done.returncode == 0 and f"GO  git+file://{repository}" in done.stdout
    for ref in ("first", git(repository, "rev-parse", "HEAD~")):
        done = answered("check", f"git+file://{repository}@{ref}", "--format", "json")
        assert done.returncode == 1 and "HYD104" in done.stdout, done.stderr
        assert "gonogo-clone" not in done.stdout


def test_a_folder_of_a_repository(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "deep").mkdir(parents=True)
    git(outer, "init", "-q")
    copy_of(GOLDEN, outer / "deep" / "golden", GOLDEN_PLAN)
    git(outer, "add", "-A")
    git(outer, "commit", "-q", "-m", "x")
    with ExitStack() as clones:
        folder = Path(cloned(f"git+file://{outer}#subdirectory=deep/golden", clones))
        assert (folder / "src/train.py").is_file() and folder.name == "golden"
        with pytest.raises(UsageError, match="no folder nowhere"):
            cloned(f"git+file://{outer}#subdirectory=nowhere", clones)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("git+file:///nowhere/at/all", "can't be cloned"),
        ("gh:only-an-owner", "names no repository"),
        ("git+ext::sh -c true", "names no repository"),
        ("git+https://example.org/a@--upload-pack=x", "names no repository"),
        ("git+file:///a#subdirectory=../b", "names no repository"),
    ],
)
def test_what_can_not_be_cloned_is_said_in_a_sentence(path: str, said: str) -> None:
    done = answered("check", path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_hooks_and_submodules_of_a_repository_are_not_run(repository: Path, tmp_path: Path) -> None:
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    (template / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n", "utf-8")
    (template / "post-checkout").chmod(0o755)
    assert gonogo("check", f"git+file://{repository}", GIT_TEMPLATE_DIR=str(template.parent)).returncode == 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("gh:owner/name", ("https://github.com/owner/name", "HEAD", ".")),
        ("gh:owner/name.js@v1.2", ("https://github.com/owner/name.js", "v1.2", ".")),
        ("git+https://example.org/a/b.git@feature/x", ("https://example.org/a/b.git", "feature/x", ".")),
        ("git+ssh://git@example.org/a/b@main#subdirectory=c/d", ("ssh://git@example.org/a/b", "main", "c/d")),
        ("git+https://user:token@example.org:8080/b", ("https://user:token@example.org:8080/b", "HEAD", ".")),
    ],
)
def test_names_of_repositories(path: str, meant: tuple[str, str, str]) -> None:
    assert is_repository(path) and tuple(repository_of(path)) == meant


def test_a_folder_with_such_a_name_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gh:a" / "b").mkdir(parents=True)
    assert not is_repository("gh:a/b") and not is_repository("ghost/b") and is_repository("gh:a/c")


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("third_party", ["third_party/a.py", "src/third_party/b/c.py"], ["third_party2/a.py", "src/a.py"]),
        ("third_party/", ["third_party/a.py"], ["src/a.py"]),
        ("src/old", ["src/old/a.py", "src/old/b/c.py"], ["src/older.py", "x/src/old/a.py"]),
        ("./src/old", ["src/old/a.py"], ["old/a.py"]),
        ("*.ipynb", ["a.ipynb", "notebooks/b.ipynb"], ["a.py"]),
        ("legacy_*", ["legacy_train.py", "x/legacy_y/a.py"], ["train_legacy.py"]),
        ("experiments/*/old.py", ["experiments/a/old.py"], ["experiments/old.py"]),
    ],
)
def test_what_a_pattern_leaves_out(pattern: str, matching: list[str], others: list[str]) -> None:
    assert all(excluding(path, ["nothing", pattern]) == pattern for path in matching)
    assert not any(excluding(path, ["nothing", pattern]) for path in others)


@given(st.lists(st.text("ab._-", min_size=1, max_size=5).filter(lambda part: part.strip(".")), min_size=1, max_size=5))
def test_a_path_and_each_folder_around_it_leave_it_out(parts: list[str]) -> None:
    path = "/".join(parts)
    assert all(excluding(path, ["/".join(parts[: count + 1])]) for count in range(len(parts)))
    assert excluding(path, ["c"]) is None


def test_excluded_findings_are_told_and_do_not_block(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "train.py").write_text(WRONG, "utf-8")
    (tmp_path / "main.py").write_text("print(1)\n", "utf-8")
    wrong = json.loads(answered("check", tmp_path, "--format", "json").stdout)
    assert wrong["findings"] and not wrong["is_code_ready"]
    policy = tmp_path.parent / "policy.toml"
    policy.write_text('exclude = ["old"]\n', "utf-8")
    for options, by in ((("--exclude", "old,nothing_there"), "exclude"), (("--config", policy), "config")):
        done = answered("check", tmp_path, "--format", "json", *options)
        verdict = json.loads(done.stdout)
        assert done.returncode == 0 and not verdict["findings"]
        assert len(verdict["suppressed"]) == len(wrong["findings"])
        assert {(entry["by"], entry["reason"]) for entry in verdict["suppressed"]} == {(by, "old is left out")}
        notes = " ".join(verdict["notes"])
        assert "left out: old" in notes and ("No file matches what is left out: nothing_there" in notes) == (by == "exclude")
    assert "old/train.py\tread, but its findings don't count: old" in answered("check", tmp_path, "--show-files", "--exclude", "old").stdout


@pytest.mark.slow
def test_programs_of_excluded_folders_are_not_started(tmp_path: Path) -> None:
    program = (
        'import hydra\n\n\n@hydra.main(config_path="conf", config_name="c", version_base=None)\ndef main(cfg):\n    print(cfg.{key})\n'
    )
    program += '\n\nif __name__ == "__main__":\n    main()\n'
    for name, key in (("good", "a"), ("bad", "b")):
        (tmp_path / name / "conf").mkdir(parents=True)
        (tmp_path / name / "run.py").write_text(program.format(key=key), "utf-8")
        (tmp_path / name / "conf" / "c.yaml").write_text("a: 1\n", "utf-8")
    assert answered("check", tmp_path).returncode == 1
    done = answered("check", tmp_path, "--exclude", "bad", "--format", "json")
    verdict = json.loads(done.stdout)
    assert done.returncode == 0 and not verdict["findings"] and not [run for run in verdict["runs"] if "bad" in run]
    assert "bad" in " ".join(
        json.loads(answered("check", tmp_path, "--exclude", "bad", "--entry", "bad/run.py", "--format", "json").stdout)["runs"]
    )
