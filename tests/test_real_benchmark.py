"""The benchmark on labelled experiments, with labels of our own on changes of the golden experiment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.real.matching import is_about

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"


def label(kind: str, file: str, blocks: str = "trial", symbol: str = "") -> dict[str, str]:
    return {"kind": kind, "file": file, "blocks": blocks, "line_or_symbol": symbol}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("real")
    for name, old, new in (("good/1", "", ""), ("bad/1", "cfg.run.training.epochs\n", "cfg.training.epochs\n")):
        tree = folder / "trees" / name.replace("/", "_")
        for path in GOLDEN.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                target = tree / path.relative_to(GOLDEN)
                target.parent.mkdir(parents=True, exist_ok=True)
                text = path.read_text("utf-8")
                target.write_text(text.replace(old, new) if old and path.name == "train.py" else text, "utf-8")
    cases = [
        {"case_id": "good/1", "real_defects": [label("evaluate_cli", "src/evaluate.py", "eval"), label("oom", "src/train.py")]},
        {
            "case_id": "bad/1",
            "real_defects": [
                label("config_key_missing", "src/train.py, src/model.py", symbol="cfg.training.epochs"),
                label("config_key_missing", "src/train.py", symbol="cfg.optimizer.beta"),
                label("config_key_missing", "src/preprocess.py"),
                label("run_config_key_unused", "config/run/*.yaml", "quality"),
            ],
        },
        {"case_id": "not/there", "real_defects": []},
    ]
    labels = folder / "labels.jsonl"
    labels.write_text("\n".join(map(json.dumps, cases)), "utf-8")
    command = [sys.executable, "-m", "benchmarks.real", str(folder / "trees"), str(labels), "--sample", "5"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.slow
def test_labels_are_scored_at_their_files(report: str) -> None:
    assert "2 of 3 labelled versions judged." in report
    assert "| config_key_missing | 3 | 2 | 1 | 3 | 1 | bad/1 |" in report
    assert "| evaluate_cli | 1 | 0 | 0 | 1 | 0 | good/1 |" in report
    assert "of 4 labels 2 (50.0 %) found by rule and file, \n1 (25.0 %) by rule, file, and place or cause" in report
    assert "| oom | 1 | 0 | 0 | 1 | 0 | good/1 |" in report and "run_config_key_unused" not in report


def test_the_sample_shows_the_line(report: str) -> None:
    assert "HYD104" in report and "epochs = 1 if cfg.trial_mode else cfg.training.epochs" in report


def test_labels_that_are_none_are_a_sentence(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("{nonsense", "utf-8")
    command = [sys.executable, "-m", "benchmarks.real", str(tmp_path), str(labels)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and "can't be read as labels" in done.stderr and "Traceback" not in done.stderr


def test_a_finding_about_a_whole_file_is_at_the_place_of_such_a_label() -> None:
    finding = {"location": {"path": "src/model.py", "line": None}, "related": [], "runs": []}
    finding |= {"message": "the file has no code", "action": "", "evidence": "", "slug": "truncated-file"}
    label = {"line_or_symbol": "whole file", "description": "File is empty or a stub."}
    assert is_about(label, finding, GOLDEN)
    assert is_about({**label, "line_or_symbol": "the entire file"}, finding, GOLDEN)
    assert not is_about({**label, "line_or_symbol": "Stub.forward"}, finding, GOLDEN)
    assert not is_about(label, {**finding, "location": {"path": "src/model.py", "line": 3}}, GOLDEN)
