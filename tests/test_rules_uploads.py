"""EVA122 and EVA123: settings and files that evaluation asks a W&B run for, in the ways that programs do that."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, TRAIN, findings_of, found_and_marked

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity
from gonogo.rules.base import Edit, Tree

TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
RECORD = '    return {\n        "run_id": run_id,\n'
SAVED = '    save_figure(figure, run_dir / "confusion_matrix.pdf")\n'
FETCH = "def fetch_run("
METHOD = 'run.config["run"]["method"]'
CONFIG = "        config=OmegaConf.to_container(cfg, resolve=True),\n"
UPDATE = '    run.config.update({"optimizer_settings": optimizer_settings(cfg, found)}, allow_val_change=True)\n'
FINISH = "    run.finish()\n"


def asking(*lines: str, definition: str = "", train: tuple[Edit, ...] = (), record: str = "", drawn: str = "") -> Tree:
    """The golden experiment whose evaluation has more lines where it fetches a run."""
    edits = [Edit(TABLE, TABLE + "".join(f"    {line}\n" for line in lines))]
    edits += [Edit(FETCH, f"{definition}\n\n\n{FETCH}")] if definition else []
    edits += [Edit(RECORD, f"{RECORD}        {record}\n")] if record else []
    edits += [Edit(SAVED, f"{SAVED}    {drawn}\n")] if drawn else []
    return Tree({EVALUATE: tuple(edits), **({TRAIN: train} if train else {})})


SETTINGS = {
    "a default": asking(f'print(run.config.get("method", "unknown")){HERE}'),
    "no default": asking(f'print(run.config["method"]){HERE}'),
    "a number": asking(f'print(run.config.get("learning_rate", 0.1)){HERE}'),
    "another section": asking(f'print(run.config["training"]["learning_rate"]){HERE}'),
    "a section and a default": asking(f'print(run.config.get("training", {{}}).get("learning_rate", 0.1)){HERE}'),
    "a dotted name": asking(f'print(run.config.get("run.method", "unknown")){HERE}'),
    "a variable": asking("settings = run.config", f'print(settings["method"]){HERE}'),
    "a plain dict": asking("settings = dict(run.config)", f'print(settings["method"]){HERE}'),
    "a helper function": asking("method_of(run)", definition=f'def method_of(run):\n    return run.config.get("method", "unknown"){HERE}'),
    "a helper function for configs": asking(
        "method_of(run.config)", definition=f'def method_of(settings):\n    return settings.get("method", "unknown"){HERE}'
    ),
    "kept with the run": asking(record='"settings": run.config,', drawn=f'print(run["settings"]["method"]){HERE}'),
    "the run's own part": asking(
        f'print(run.config["run"]["seed"]){HERE}',
        train=(Edit(CONFIG, CONFIG.replace("OmegaConf.to_container(cfg, resolve=True)", '{"run": {"method": cfg.run.method, "dataset": 1}}')),),
    ),
    "written out": asking(
        f'print(run.config["results_dir"]){HERE}',
        train=(Edit(CONFIG, CONFIG.replace("OmegaConf.to_container(cfg, resolve=True)", 'dict(run={"method": cfg.run.method, "dataset": 1})')),),
    ),
}  # fmt: skip
UPLOADED = {
    "where training puts it": asking('print(run.config["run"]["training"]["learning_rate"])'),
    "added later": asking('print(run.config["method"])', train=(Edit(UPDATE, UPDATE + '    run.config.update({"method": cfg.run.method})\n'),)),
    "added by name": asking('print(run.config["method"])', train=(Edit(UPDATE, UPDATE + "    wandb.config.update(dict(method=cfg.run.method))\n"),)),
    "set": asking('print(run.config["method"])', train=(Edit(UPDATE, UPDATE + "    run.config.method = cfg.run.method\n"),)),
    "set as an item": asking('print(run.config["method"])', train=(Edit(UPDATE, UPDATE + '    wandb.config["method"] = cfg.run.method\n'),)),
    "two places": asking('print(run.config.get("method") or run.config["run"]["method"])'),
    "a place for want of another": asking('print(run.config.get("method", run.config["run"]["method"]))'),
    "asked before": asking('if "method" in run.config:', '    print(run.config["method"])'),
    "asked after": asking('method = run.config.get("method")', "if method is None:", '    method = run.config["run"]["method"]', "print(method)"),
    "a config that nobody knows": asking(
        'print(run.config["method"])',
        train=(Edit(CONFIG, CONFIG.replace("OmegaConf.to_container(cfg, resolve=True)", "vars(torch.load(run_dir))")),),
    ),
    "merged with something": asking(
        'print(run.config["method"])',
        train=(Edit(CONFIG, CONFIG.replace("OmegaConf.to_container(cfg, resolve=True)", "{**OmegaConf.to_container(cfg), **vars(torch.load(run_dir))}")),),
    ),
    "not a run's": asking('settings = json.loads("{}")', 'print(settings.get("method", "unknown"))'),
}  # fmt: skip
FILES = {
    "by its name": asking(f'run.file("answers.json").download(){HERE}'),
    "by a constant": asking(f"run.file(ANSWERS).download(){HERE}", definition='ANSWERS = "answers.json"'),
    "by comparison": asking(f'print([f for f in run.files() if f.name == "answers.json"]){HERE}'),
    "by its end": asking(f'print(next((f for f in run.files() if f.name.endswith("answers.json")), None)){HERE}'),
    "in a loop": asking("for entry in run.files():", f'    if entry.name == "answers.json":{HERE}', "        entry.download(replace=True)"),
    "kept with the run": asking(record='"files": list(run.files()),', drawn=f'print([f for f in run["files"] if f.name == "answers.json"]){HERE}'),
    "a helper function": asking("answers_of(run)", definition=f'def answers_of(run):\n    return run.file("answers.json").download(){HERE}'),
    "another file is saved": asking(
        f'run.file("answers.json").download(){HERE}', train=(Edit(FINISH, '    wandb.save(str(run_dir / "model.pt"))\n' + FINISH),)
    ),
}  # fmt: skip
SAVED_FILES = {
    "saved": asking('run.file("answers.json")', train=(Edit(FINISH, '    wandb.save("answers.json")\n' + FINISH),)),
    "saved by a pattern": asking('run.file("answers.json")', train=(Edit(FINISH, '    wandb.save(str(run_dir / "*.json"))\n' + FINISH),)),
    "saved by the run": asking('run.file("answers.json")', train=(Edit(FINISH, "    run.save(str(run_dir / cfg.run.method))\n" + FINISH),)),
    "written to the run's folder": asking(
        'run.file("answers.json")', train=(Edit(FINISH, '    Path(wandb.run.dir, "answers.json").write_text("[]")\n' + FINISH),)
    ),
    "the client's own": asking('run.file("output.log").download()', 'run.file("config.yaml").download()'),
    "any of a kind": asking('print([f for f in run.files() if f.name.endswith(".json")])'),
    "not a run's": asking("for entry in Path('.').iterdir():", '    print(entry.name == "answers.json")'),
}


@pytest.mark.parametrize("way", SETTINGS)
def test_settings_that_are_not_there_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA122", way, SETTINGS[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", UPLOADED)
def test_settings_that_may_be_there_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA122", way, UPLOADED[way]), golden, composer)[0] == []


@pytest.mark.parametrize("way", FILES)
def test_files_that_are_not_there_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("EVA123", way, FILES[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", SAVED_FILES)
def test_files_that_may_be_there_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("EVA123", way, SAVED_FILES[way]), golden, composer)[0] == []


def test_a_setting_that_may_be_none_is_a_warning(golden: dict[str, str], composer: Composer) -> None:
    files = asking('print(run.config.get("method"))').apply(golden)
    (finding,) = findings_of(files, "EVA122", composer)
    assert finding.severity is Severity.WARNING
    assert "run.method" in finding.action
