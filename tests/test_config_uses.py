"""Where the code asks for keys of the config, and what each run has there."""

from __future__ import annotations

import pytest
from experiments_of_texts import GOLDEN, experiment_of

from gonogo.compose.client import Composer
from gonogo.engine.facts import Facts
from gonogo.engine.pipeline import judge
from gonogo.engine.uses import config_uses
from gonogo.model.config_use import ConfigUse

PROPOSED = "config/run/proposed-mlp-digits.yaml"
HEAD = "    settings = {\n"
WAYS = [  # a line of code, the key in it, the path, the value as JSON
    ("cfg.run.training.momentum", "momentum", "run.training.momentum", "0.9"),
    ('cfg["run"]["training"]["momentum"]', '"momentum"', "run.training.momentum", "0.9"),
    ('cfg.run.training.get("momentum", 0.5)', '"momentum"', "run.training.momentum", "0.9"),
    ('getattr(cfg.run.training, "seed")', '"seed"', "run.training.seed", "44"),
    ("[part := cfg.run.training, part.seed]", "seed]", "run.training.seed", "44"),
    ("(lambda part: part.epochs)(cfg.run.training)", "epochs", "run.training.epochs", "15"),
    ('[cfg.run.training[key] for key in ("epochs",)]', "key]", "run.training.epochs", "15"),
    ('OmegaConf.select(cfg, "run.training.epochs")', '"run.training.epochs"', "run.training.epochs", "15"),
    ("f'{cfg.run.training.optimizer}'", "optimizer", "run.training.optimizer", '"sgd"'),
    ("cfg.run.dataset.normalisation", "normalisation", "run.dataset.normalisation", '{"mean": 4.88, "std": 6.02}'),
    ('cfg.run.training.get("nesterov", False)', '"nesterov"', "run.training.nesterov", None),
    ('"nesterov" in cfg.run.training', '"nesterov"', "run.training.nesterov", None),
]


def uses_of(composer: Composer, files: dict[str, str]) -> list[ConfigUse]:
    found: list[ConfigUse] = []

    def look(facts: Facts) -> None:
        found.extend(config_uses(facts))

    judge(experiment_of(files), None, composer, look=look)
    return found


def golden() -> dict[str, str]:
    paths = [path for path in GOLDEN.rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    return {path.relative_to(GOLDEN).as_posix(): path.read_text("utf-8") for path in paths}


@pytest.mark.slow
def test_each_way_to_ask_for_a_key_tells_what_is_there(composer: Composer) -> None:
    files = golden()
    train = files["src/train.py"]
    first = train.split(HEAD)[0].count("\n") + 1
    files["src/train.py"] = train.replace(HEAD, "".join(f"    print({way})\n" for way, *_ in WAYS) + HEAD)
    uses = [use for use in uses_of(composer, files) if use.location.path == "src/train.py"]
    for line, (way, key, path, value) in enumerate(WAYS, first):
        own = [use for use in uses if use.location.line == line and ".".join(use.path) == path]
        columns = {use.location.column for use in own}
        assert columns == {len("    print(") + way.rindex(key) + 1}, way
        assert {held.value for use in own for held in use.held} == {value}, way
        defined = {str(held.defined.path) for use in own for held in use.held if held.defined is not None}
        assert (len(defined) == 2) is (value is not None), way


@pytest.mark.slow
@pytest.mark.parametrize("name", ["momentum", "seed"])
def test_runs_that_lack_a_key_are_told_apart(composer: Composer, name: str) -> None:
    files = golden()
    (line,) = [line for line in files[PROPOSED].splitlines() if line.startswith(f"  {name}: ")]
    files[PROPOSED] = files[PROPOSED].replace(f"{line}\n", "")
    uses = [use for use in uses_of(composer, files) if use.path == ("run", "training", name)]
    assert uses
    for use in uses:
        values = {run.split(" ")[0]: held.value for held in use.held for run in held.runs}
        assert values["proposed-mlp-digits"] is None and values["comparative-1-mlp-digits"] == line.split(": ")[1]


@pytest.mark.slow
def test_what_the_program_writes_is_told(composer: Composer) -> None:
    files = golden()
    files["src/train.py"] = files["src/train.py"].replace(HEAD, f"    cfg.run.training.momentum = 0.5\n{HEAD}")
    (use,) = [use for use in uses_of(composer, files) if use.location.path == "src/train.py" and use.path[-1] == "momentum"]
    assert {held.value for held in use.held} == {"0.5"}
    assert {held.note for held in use.held} == {"composed as 0.9; the program changes it"}
