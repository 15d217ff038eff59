"""Many experiments: listed in a file, written as Parquet, judged on a real Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli import GONOGO, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

NEEDS_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A good tree, one with an undefined name, and an empty folder."""
    root = tmp_path_factory.mktemp("many")
    good, bad = (copy_of(GOLDEN, root / name, GOLDEN_PLAN) for name in ("good", "bad"))
    with (bad / "src" / "train.py").open("a") as file:
        file.write("\nprint(never_defined)\n")
    (root / "none").mkdir()
    return [good, bad, root / "none"]


def listed(tmp_path: Path, trees: list[Path], times: int = 1) -> Path:
    path = tmp_path / "paths.txt"
    path.write_text("".join(f"{tree}\n" for tree in trees * times) + "\n")
    return path


def verdicts(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for verdict in found:
        for stage in verdict["stages"]:
            stage["seconds"] = 0
    return found


@pytest.mark.slow
def test_parquet_holds_what_the_verdicts_say(trees: list[Path], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = tmp_path / "out.parquet"
    result = gonogo("check", trees[0], "--paths-from", listed(tmp_path, trees[1:]), "--format", "parquet", "--output", out)
    assert result.returncode == 1, result.stderr
    rows = parquet.read_table(out).to_pylist()
    assert [(Path(row["experiment"]).name, row["outcome"]) for row in rows] == [("good", "GO"), ("bad", "NO-GO"), ("none", "UNDECIDED")]
    (finding,) = [found for found in rows[1]["findings"] if found["rule"] == "IMP104"]
    assert (finding["path"], finding["blocks"], rows[1]["is_code_ready"]) == ("src/train.py", True, False)
    assert rows[1]["error_count"] == sum(found["severity"] == "error" for found in rows[1]["findings"]) > 0
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--paths-from", os.devnull), "lists no PATH"),
        (("--paths-from", "nowhere.txt"), "nowhere.txt, which should list PATHs, can't be read"),
        ((".", "--format", "parquet"), "name it with --output"),
        ((".", "--format", "parquet", "--output", "no/such/folder.parquet"), "no/such/folder.parquet can't be written"),
        ((".", "--address", "auto"), "--address is a Ray cluster's"),
        (("-", "--on", "ray"), "leave out --on ray"),
    ],
)
def test_bad_use_is_one_sentence(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = gonogo("check", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.slow
def test_an_old_parquet_file_is_gone_where_the_new_one_is_never_whole(trees: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out, empty = tmp_path / "out.parquet", tmp_path / "no.json"
    out.write_bytes(b"old")
    empty.write_text("{")
    assert gonogo("check", empty, "--format", "parquet", "--output", out).returncode == 2
    assert not out.exists() and not [entry for entry in tmp_path.iterdir() if entry.name.endswith(".part")]


@pytest.mark.slow
def test_parquet_and_a_baseline_go_together(trees: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    baseline = tmp_path / "baseline.json"
    gonogo("check", trees[1], "--format", "parquet", "--output", tmp_path / "out.parquet", "--write-baseline", baseline)
    assert json.loads(baseline.read_text())["findings"]


@pytest.mark.slow
@NEEDS_RAY
def test_ray_judges_as_this_machine_does(trees: list[Path], tmp_path: Path) -> None:
    paths = listed(tmp_path, trees, times=4)
    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    assert gonogo("check", "--paths-from", paths, "--on", "ray", "--format", "jsonl", "--output", there).returncode == 1
    assert gonogo("check", "--paths-from", paths, "--format", "jsonl", "--output", here).returncode == 1
    assert verdicts(there) == verdicts(here)
    assert gonogo("check", trees[0], "--on", "ray", "--select", "NOPE1").returncode == 2


@pytest.mark.slow
@NEEDS_RAY
def test_nothing_is_lost_with_a_process_of_the_cluster(trees: list[Path], tmp_path: Path) -> None:
    paths, out = listed(tmp_path, trees, times=20), tmp_path / "out.jsonl"
    command = [*GONOGO, "check", "--paths-from", str(paths), "--on", "ray", "--jobs", "2", "--format", "jsonl", "--output", str(out)]
    part = out.with_name(f".{out.name}.part")  # what is written while it runs
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        killed = False
        while process.poll() is None and not killed:
            time.sleep(0.05)
            if part.exists() and len(part.read_text().splitlines()) >= 5:
                actors = [child for child in psutil.Process(process.pid).children(recursive=True) if "_Judge" in " ".join(child.cmdline())]
                os.kill(actors[0].pid, signal.SIGKILL)
                killed = True
        _, errors = process.communicate(timeout=100)
    assert killed and process.returncode == 1, errors
    found = verdicts(out)
    assert [Path(verdict["experiment"]).name for verdict in found] == ["good", "bad", "none"] * 20
    assert [verdict["outcome"] for verdict in found] == ["GO", "NO-GO", "UNDECIDED"] * 20
