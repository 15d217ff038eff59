"""What a newcomer types first: help, wrong names, a single program, the commands of the README and of the documents."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli import GONOGO, answered, copy_of, gonogo, instead_of_github
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

from gonogo.model.experiment import BUNDLE_PATHS

PROJECT = Path(__file__).parents[1]
HYDRA = 'import hydra\n\n\n@hydra.main(version_base="1.3", config_path="conf", config_name="config")\ndef main(cfg):\n    print(cfg.{key})\n\n\nif __name__ == "__main__":\n    main()\n'


@pytest.mark.parametrize("arguments", [["-h"], ["check", "-h"], ["fix", "-h"], ["clean", "-h"]])
def test_short_help(arguments):
    result = gonogo(*arguments)
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: gonogo")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["check", ".", "--formt", "json"], "--format"),
        (["chek", "."], "check"),
        (["check", GOLDEN, "--format", "jsno"], "did you mean json?"),
        (["check", GOLDEN, "--select", "unknown-config-ky"], "did you mean unknown-config-key"),
        (["check", GOLDEN, "--ignore", "HYD1O4"], "HYD104"),
        (["explain", "unknown-config-ky"], "did you mean unknown-config-key"),
    ],
)
def test_what_was_meant(arguments, meant):
    result = gonogo(*arguments)
    assert result.returncode == 2
    assert meant in result.stderr


def project(folder, key, **others):
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\ndependencies = ["hydra-core>=1.3"]\n')
    (folder / "app" / "conf").mkdir(parents=True)
    (folder / "app" / "conf" / "config.yaml").write_text("there: 1\n")
    (folder / "app" / "train.py").write_text(HYDRA.format(key=key))
    (folder / "app" / "other.py").write_text(HYDRA.format(key="missing_elsewhere"))
    return folder / "app" / "train.py"


def test_a_program_means_its_project_with_that_entry(tmp_path):
    good, bad = project(tmp_path / "good", "there"), project(tmp_path / "bad", "not_there")
    result = answered("check", good)
    assert (result.returncode, "missing_elsewhere" in result.stdout) == (0, False), result.stdout
    assert "is judged as the entry point app/train.py of" in result.stderr
    result = answered("check", bad, "--format", "concise")
    assert result.returncode == 1
    assert "app/train.py:6:11: error HYD104 `cfg.not_there`" in result.stdout
    assert "missing_elsewhere" not in result.stdout


def test_a_program_without_a_project_file_means_its_folder(tmp_path):
    (tmp_path / "train.py").write_text("import torch\nprint(torch.zeros(undefined_name))\n")
    result = answered("check", tmp_path / "train.py")
    assert result.returncode == 1
    assert "undefined_name" in result.stdout


def test_a_program_of_an_experiment_means_the_experiment(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "x", GOLDEN_PLAN)
    result = answered("check", tree / "src/train.py")
    assert result.returncode == 0
    assert "contract: trial-mode" in result.stdout
    assert "says itself what is started" in result.stderr


def test_each_of_many_programs_is_judged_by_itself(tmp_path):
    (tmp_path / "right.py").write_text("import torch\nprint(torch.zeros(2))\n")
    (tmp_path / "wrong.py").write_text("import torch\nprint(torch.zeros(undefined_name))\n")
    (tmp_path / "listed").write_text(f"{tmp_path / 'right.py'}\n{tmp_path / 'wrong.py'}\n")
    for result in (
        answered("check", tmp_path / "right.py", tmp_path / "wrong.py", "--format", "concise"),
        answered("check", "--paths-from", tmp_path / "listed", "--format", "concise"),
    ):
        finding, of_wrong = f"{tmp_path}/wrong.py:2:19: error IMP104", f"{tmp_path}/wrong.py: NO-GO"
        assert result.returncode == 1
        assert finding in result.stdout and of_wrong in result.stdout, result.stdout
        assert f"{tmp_path}/right.py: GO: 0 errors" in result.stdout


@pytest.mark.slow
def test_a_program_beside_an_experiment(tmp_path):
    result = answered("check", project(tmp_path / "good", "there"), GOLDEN, "--format", "concise")
    assert (result.returncode, result.stdout.count(": GO: 0 errors")) == (0, 2), result.stdout


@pytest.mark.slow
def test_a_program_has_no_other_entry(tmp_path):
    result = gonogo("check", project(tmp_path / "good", "there"), "--entry", "other.py")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "A Python file is its own entry point" in result.stderr


@pytest.mark.slow
def test_clean(tmp_path):
    cache = tmp_path / "gonogo"
    used, unused, other = (cache / "environments" / name for name in ("used", "unused", "unused.lock"))
    for folder in (used, unused):
        (folder / "env" / "bin").mkdir(parents=True)
        (folder / "env" / "bin" / "python").write_bytes(b"x" * 3_000_000)
    other.touch()
    (cache / "of-somebody").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (cache / "verdicts").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "mine").touch()
    told = gonogo("clean", "--dry-run", XDG_CACHE_HOME=str(tmp_path))
    assert "environments of experiments: 6.0 MB to remove" in told.stdout
    assert unused.exists()
    holder = subprocess.Popen(["python3", "-c", "import time; time.sleep(60)", str(used / "env" / "bin" / "python")])
    try:
        told = gonogo("clean", XDG_CACHE_HOME=str(tmp_path))
    finally:
        holder.kill()
        holder.wait()
    assert told.returncode == 0
    assert "3.0 MB removed; 1 in use, kept" in told.stdout
    assert sorted(path.name for path in (cache / "environments").iterdir()) == ["used"]
    assert (cache / "of-somebody").is_dir()
    assert (tmp_path / "elsewhere" / "mine").exists()


@pytest.mark.slow
def test_no_cache_is_nothing_to_clean(tmp_path):
    assert gonogo("clean", XDG_CACHE_HOME=str(tmp_path)).stdout.startswith("0.0 MB freed")


def commands():
    """The commands of the README and of two documents that run nothing and need no network."""
    for name in ("README.md", "docs/reports.md", "docs/fix.md"):
        for block in re.findall(r"^```sh\n(.*?)^```", (PROJECT / name).read_text(), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                words = line.split("  #")[0].strip().removeprefix("uv run ")
                if re.match(r"(cat \S+ \| )?gonogo (check|fix)\b", words) and not re.search(r"--to|--on|--ai", words):
                    yield pytest.param(words, id=f"{name}: {words}")


@pytest.mark.slow
@pytest.mark.parametrize("words", list(commands()))
def test_commands_of_the_documents(words, tmp_path, bundle):
    copy_of(GOLDEN, tmp_path / "path/to/experiment", GOLDEN_PLAN)
    for name in ("a", "b", "c", "tests/golden"):
        copy_of(GOLDEN, tmp_path / name, GOLDEN_PLAN)
    (tmp_path / "bundle.json").write_text(bundle)
    (tmp_path / "plan.json").write_text(json_plan())
    command = re.sub(r"\bgonogo (?=check|fix)", f"{shlex.quote(GONOGO[0])} ", words)
    environment = {**os.environ, **instead_of_github(GOLDEN, GOLDEN_PLAN, tmp_path / "hub")}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_commands_to_try():
    assert len(list(commands())) >= 6


def json_plan():
    return json.dumps(yaml.safe_load(GOLDEN_PLAN.read_text()), default=str)


@pytest.fixture(scope="module")
def bundle():
    files = {key: (GOLDEN / path).read_text() for key, path in BUNDLE_PATHS.items()}
    runs = {path.stem: path.read_text() for path in (GOLDEN / "config/run").glob("*.yaml")}
    return json.dumps({**files, "run_configs": runs})


@pytest.mark.slow
def test_a_check_loads_no_server() -> None:
    asked = "import sys, gonogo.cli.app, gonogo.pool.worker, gonogo.engine.pipeline; gonogo.cli.app.build(['check', '.'])"
    asked += "; gonogo.cli.app.build([]); print({'pygls', 'mcp', 'gonogo.engine.uses'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "set()\n"
