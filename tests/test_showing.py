"""What a check would take (`--show-files`, `--show-settings`), what is shown of a verdict, and `--watch`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli import answered, copy_of, instead_of_github
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

from gonogo.cli.showing import show_files, show_settings, watch
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError


def test_the_files_that_are_read(tmp_path: Path) -> None:
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    (tree / ".venv").mkdir()
    (tree / ".venv" / "left_out.py").write_text("x = 1\n")
    (tree / "src" / "weights.bin").write_bytes(b"\0\xff")
    done = answered("check", tree, "--show-files")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "src/train.py" in lines and not [line for line in lines if "left_out" in line]
    assert [line for line in lines if line.startswith("src/weights.bin\tnot read")]
    assert f"{tree}/src/train.py" in answered("check", tree, GOLDEN, "--show-files").stdout.splitlines()


def test_a_program_is_read_without_its_neighbours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text("print(1)\n", "utf-8")
    for options in (CheckOptions(), CheckOptions(contract="program", entries=("one.py",))):
        source = tmp_path / "one.py" if not options.entries else tmp_path
        assert show_files([str(source)], options) == 0
        assert "one.py" in (told := capsys.readouterr().out) and "other.py" not in told
    assert show_settings([str(tmp_path / "one.py")], CheckOptions()) == 0
    assert '"contract": "program"' in capsys.readouterr().out


def test_the_settings_that_count(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('select = ["HYD"]\n')
    (told,) = json.loads(answered("check", GOLDEN, "--show-settings", "--config", policy, "--ignore", "HYD104", "--timeout", "9").stdout)
    assert told["contract"] == "trial-mode" and told["policy"] == str(policy)
    assert "HYD101" in told["rules"] and "HYD104" not in told["rules"] and not [rule for rule in told["rules"] if rule[:3] != "HYD"]
    assert told["options"]["timeout"] == 9 and told["options"]["execution"]["memory_gib"] == 8
    assert answered("check", GOLDEN, "--show-settings", "--select", "HYD999").returncode == 2


def test_the_policy_of_the_settings_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.cli.options.typer.get_app_dir", lambda _: str(tmp_path))
    (tmp_path / "config.toml").write_text('select = ["HYD"]\n')
    told = [json.loads(answered("check", GOLDEN, "--show-settings", *more).stdout)[0] for more in ((), ("--no-config",))]
    assert told[0]["policy"] and told[1]["policy"] is None and len(told[1]["rules"]) > len(told[0]["rules"])
    assert answered("check", GOLDEN, "--no-config", "--config", tmp_path / "config.toml").returncode == 2


@pytest.mark.slow
def test_what_is_less_sure_is_not_shown_and_the_verdict_stays(tmp_path: Path) -> None:
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    text = (tree / "pyproject.toml").read_text().replace("dependencies = [", 'dependencies = [\n    "tqdm",', 1)
    (tree / "pyproject.toml").write_text(text)
    shown = {
        word: json.loads(answered("check", tree, "--format", "json", "--min-certainty", word).stdout) for word in ("likely", "derived")
    }
    assert {finding["certainty"] for finding in shown["likely"]["findings"]} == {"likely"}
    assert not shown["derived"]["findings"] and shown["derived"]["is_code_ready"] == shown["likely"]["is_code_ready"]
    assert any("less certain than derived" in note for note in shown["derived"]["notes"])


def test_a_watch_judges_again_when_a_file_changes(tmp_path: Path) -> None:
    (tmp_path / "tree" / ".venv").mkdir(parents=True)
    program, left_out = tmp_path / "tree" / "a.py", tmp_path / "tree" / ".venv" / "b.py"
    program.write_text("x = 1\n")
    judged: list[str] = []
    changes = iter([None, program, left_out, program, None])

    def sleep(_: float) -> None:
        change = next(changes, program.parent)
        if change == program.parent:
            raise KeyboardInterrupt
        if change is not None:
            change.write_text(f"x = {'1' * (len(judged) + 2)}\n")

    with pytest.raises(KeyboardInterrupt):
        watch([str(tmp_path / "tree")], lambda: judged.append(program.read_text()) or 0, sleep)
    assert len(judged) == 3 and len(set(judged)) == 3
    with pytest.raises(UsageError, match="standard input"):
        watch(["-"], lambda: 0)


@pytest.mark.slow
def test_a_watch_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged twice by the same processes, then stopped."""
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    naps = iter([0, 1])

    def sleep(_: float) -> None:
        if next(naps, 2) == 1:
            raise KeyboardInterrupt
        with (tree / "src/train.py").open("a", encoding="utf-8") as file:
            file.write("\n# changed\n")

    monkeypatch.setattr("gonogo.cli.showing.watch", lambda paths, act: watch(paths, act, sleep))
    done = answered("check", tree, "--watch", "-q")
    assert done.stdout.count("watching: Ctrl-C ends it") == 2 and done.stdout.count("GO") == 2
    assert done.returncode == 130


PAGE = Path(__file__).parents[1] / "docs/checkers.md"
# What serves, cleans or writes outside of the folder: their help has to name the command.
NOT_RUN = ("gonogo lsp", "gonogo clean", "gonogo --install-completion bash", "gonogo --show-completion bash")


def commands_of_the_table() -> list[str]:
    rows = [line.rpartition(" | ")[2] for line in PAGE.read_text("utf-8").replace("\\|", "¦").splitlines() if line.startswith("| ")]
    return [command.replace("¦", "|") for row in rows[1:] for command in re.findall(r"`((?:cat \S+ ¦ )?gonogo [^`]+)`", row)]


@pytest.mark.slow
def test_the_table_of_other_checkers_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command does what it says, on a GO: nothing is refused."""
    for name in ("a", "b", "c", "path/to/experiment"):
        copy_of(GOLDEN, tmp_path / name, GOLDEN_PLAN)
    (tmp_path / "notebooks").mkdir()
    cell = {"cell_type": "code", "source": "print(1)", "metadata": {}, "outputs": [], "execution_count": None}
    (tmp_path / "notebooks/analysis.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    (tmp_path / "policy.toml").write_text(
        '[severity]\nHYD105 = "info"\n\n[[ignore]]\nrules = ["HYD105"]\npath = "src/*"\nreason = "known"\n'
    )
    for name, value in instead_of_github(GOLDEN, GOLDEN_PLAN, tmp_path / "hub").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    commands = commands_of_the_table()
    assert len(commands) > 30
    for command in commands:
        if "|" in command:
            continue  # standard input: tests of the first minutes have it
        if command.startswith(NOT_RUN) or "--watch" in command:
            words = [command.split()[1]] if command.startswith(("gonogo lsp", "gonogo clean", "gonogo check")) else []
            shown = answered(*words, "--help").stdout
            assert all(option in shown for option in re.findall(r"--[a-z-]+", command)), command
            continue
        done = answered(*command.split()[1:])
        assert done.returncode == 0, (command, done.stdout[-300:], done.stderr[-300:])
