"""Contracts: loaded, refused, detected."""

import pytest

from gonogo.model import contract as contracts
from gonogo.model.contract import Scope
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment, SourceFile


def tree(**files: str) -> Experiment:
    return Experiment("x", {path.replace("__", "/"): SourceFile(path.replace("__", "/"), text) for path, text in files.items()})


@pytest.mark.parametrize("name", contracts.names())
def test_shipped_contracts(name):
    contract = contracts.load(name)
    assert contract.name == name
    if contract.scope is not Scope.RUNS:
        assert contract.entry_paths() == []
        return
    assert sorted(contract.criteria) == list(range(1, 10))
    assert contract.commands.keys() >= {"full", "trial"}
    assert set(contract.entry_paths()) <= set(contract.files.required)


def test_default_comes_with_the_package():
    assert contracts.DEFAULT in contracts.names()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "can't be read"),
        ("a = [", "can't be read"),
        ("a = 1", "not valid at"),
        (b"\xff", "can't be read"),
        ("a = " + "[" * 50_000, "can't be read"),
    ],
)
def test_contracts_that_are_none(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=words):
        contracts.load(str(path))


def test_no_such_contract():
    with pytest.raises(UsageError, match="no contract 'nope': use one of"):
        contracts.load("nope")


def test_unknown_keys_are_refused(tmp_path):
    from importlib import resources

    text = (resources.files("gonogo.model") / "contracts" / "trial-mode.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("[tracking]", "[tracking]\nsurprise = 1"))
    with pytest.raises(UsageError, match=r"not valid at tracking\.surprise"):
        contracts.load(str(path))
    path.write_text(text.replace('name = "trial-mode"', 'name = "mine"'))
    assert contracts.load(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("files", "name", "reason"),
    [
        ({}, "program", "nothing speaks for Hydra"),
        ({"config__config.yaml": "trial_mode: false"}, "trial-mode", "'trial_mode'"),
        ({"config__config.yaml": "mode: full"}, "mode-trial", "'mode'"),
        ({"config__config.yaml": "mode: train"}, "program", "--contract"),
        ({"config__runs__a.yaml": "run_id: a"}, "mode-trial", "config/runs/"),
        ({"config__run__a.yaml": "run_id: a"}, "trial-mode", "config/run/"),
        ({"config__run__fast.yaml": "epochs: 1"}, "program", "--contract"),
        ({"config__run__fast.yaml": "epochs: 1", "go.py": "import hydra\n@hydra.main()\ndef main(cfg): ..."}, "generic", "go.py"),
        ({"config__run__a.yaml": "", "config__config.yaml": "mode: full"}, "mode-trial", "'mode'"),
        ({"config__run__a.yaml": "run_id: a", "config__config.yaml": "mode: full"}, "mode-trial", "config/run/"),
        ({"config__run__a.yaml": "run_id: a", "config__config.yaml": "trial_mode: false"}, "trial-mode", "config/run/"),
        ({"config__run__a.yaml": "run_id: a", "src__main.py": "if cfg.mode == 'trial': ..."}, "mode-trial", "config/run/"),
        (
            {"config__run__a.yaml": "", "config__config.yaml": "mode: main", "src__main.py": "if cfg.mode == 'sanity_check': ..."},
            "mode-sanity",
            "run",
        ),
        ({f"src__{name}.py": "pass" for name in ("main", "train", "model", "preprocess", "evaluate")}, "program", "nothing"),
        ({"config__config.yaml": "- 1"}, "program", "nothing"),
        ({"config__config.yaml": "a: ["}, "program", "nothing"),
        ({"config__config.yaml": "&a [*a]"}, "program", "nothing"),
    ],
)
def test_detection(files, name, reason):
    contract, why = contracts.detect(tree(**files))
    assert contract.name == name
    assert reason in why


def test_paths():
    contract = contracts.load("trial-mode")
    assert contract.run_id_of("config/run/a b.c.yaml") == "a b.c"
    assert contract.run_id_of("config/run/a.yml") == "a"
    assert contract.run_id_of("config/run/a.json") is None
    assert contract.run_id_of("config/run/deeper/a.yaml") is None
    assert contract.run_id_of("config/config.yaml") is None
    assert contract.is_tolerated("uv.lock")
    assert contract.is_tolerated("src/__pycache__/x.pyc")
    assert contract.is_tolerated("README.md")
    assert not contract.is_tolerated("src/extra.py")


def test_commands():
    command = contracts.load("trial-mode").commands["trial"]
    assert command.arguments("r1", "out") == ["run=r1", "results_dir=out", "trial_mode=true"]
