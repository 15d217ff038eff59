"""What other tools read of this repository: the hook for pre-commit and the action for GitHub. Their commands are run as they stand there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from cli import GONOGO, copy_of
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

ROOT = Path(__file__).resolve().parents[1]
PATH = f"{Path(GONOGO[0]).parent}{os.pathsep}{os.environ['PATH']}"
UVX = 'uvx --from "$GITHUB_ACTION_PATH" gonogo'


def run(command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": PATH, **variables}
    return subprocess.run(["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of(GOLDEN, tmp_path / "my experiment", GOLDEN_PLAN)


@pytest.mark.slow
def test_the_hook_of_pre_commit(tree: Path) -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("gonogo", "python", False)
    assert run(shlex.join([*hook["entry"].split(), *hook["args"]]), tree).returncode == 0
    train = tree / "src/train.py"
    train.write_text(train.read_text("utf-8").replace("cfg.run.training", "cfg.training"), "utf-8")
    assert run(shlex.join([*hook["entry"].split(), *hook["args"]]), tree).returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize(("options", "sarif"), [("", "gonogo.sarif"), ("--ignore HYD104 --min-severity error", "")])
def test_the_action_of_github(tree: Path, options: str, sarif: str) -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    [step] = [step for step in action["runs"]["steps"] if "run" in step]
    assert set(step["env"].values()) == {f"${{{{ inputs.{name} }}}}" for name in action["inputs"]}
    assert UVX in step["run"] and "${{" not in step["run"]
    train = tree / "src/train.py"
    train.write_text(train.read_text("utf-8").replace("cfg.run.training", "cfg.training"), "utf-8")
    command = step["run"].replace(UVX, "gonogo")
    summary = tree.parent / "summary.md"
    given = {"EXPERIMENT": tree.name, "PLAN": "", "OPTIONS": options, "SARIF": sarif, "GITHUB_STEP_SUMMARY": str(summary)}
    done = run(command, tree.parent, **given)
    assert done.returncode == (0 if options else 1), done.stderr
    assert ("::error file=my experiment/src/train.py" in done.stdout) is not bool(options)
    assert "HYD104" in summary.read_text("utf-8") or options
    if sarif:
        assert json.loads((tree.parent / sarif).read_text("utf-8"))["version"] == "2.1.0"


# The two modules that only VS Code has, as far as the extension asks for them: which server it starts, and for which documents.
VS_CODE = """
const Module = require("module");
const load = Module._load;
const settings = JSON.parse(process.argv[2]);
class LanguageClient {
  constructor(id, name, server, client) { Object.assign(this, { server, client }); }
  start() { console.log(JSON.stringify([this.server, this.client])); }
  stop() { console.log("stopped"); }
}
const modules = { vscode: { workspace: { getConfiguration: () => ({ get: (name) => settings[name] }) } }, "vscode-languageclient/node": { LanguageClient } };
Module._load = (name, ...rest) => modules[name] ?? load(name, ...rest);
const extension = require(process.argv[1]);
extension.activate();
extension.deactivate();
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_the_extension_of_vs_code(tmp_path: Path) -> None:
    folder = ROOT / "editors/vscode"
    package = json.loads((folder / "package.json").read_text("utf-8"))
    command = package["contributes"]["configuration"]["properties"]["gonogo.command"]["default"]
    script = [str(shutil.which("node")), "-e", VS_CODE, str(folder / package["main"]), json.dumps({"command": command})]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    started, stopped = done.stdout.splitlines()
    server, client = json.loads(started)
    assert server == {"command": "gonogo", "args": ["lsp"]} and stopped == "stopped"
    languages = {f"onLanguage:{document['language']}" for document in client["documentSelector"]}
    assert languages == set(package["activationEvents"])
    assert run(shlex.join([*command, "--help"]), tmp_path).returncode == 0
