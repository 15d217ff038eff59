"""The tricky cases of the rules on tracking, on results that are made up, and on tests of single numbers."""

from __future__ import annotations

import pytest
from rule_cases import CONFIG, EVALUATE, HERE, MODEL, PREPROCESS, TRAIN, Case, findings_of, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

FINISH = "    run.finish()\n"
INIT = """    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        resume="allow",
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=run_dir,
        config=OmegaConf.to_container(cfg, resolve=True),
    )
"""
LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'
ROW = '{"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss}'
TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
LOOKUP = 'api.run(f"{project_path}/{run_id}")'
RECORD = '    return {\n        "run_id": run_id,\n'
JSON = Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n")
INDENTED = "".join(f"    {line}\n" for line in INIT.splitlines())


def training(*edits: Edit, **more: Edit) -> Tree:
    """The golden experiment with changes to the training."""
    return Tree({TRAIN: edits, **more})


def evaluation(*edits: Edit) -> Tree:
    """The golden experiment with changes to the evaluation."""
    return Tree({EVALUATE: edits})


def both(train: Edit, evaluate: Edit) -> Tree:
    """The golden experiment with a change to each."""
    return Tree({TRAIN: train, EVALUATE: evaluate})


def before_finish(*lines: str) -> Edit:
    """More lines before the run is finished."""
    return Edit(FINISH, "".join(f"    {line}\n" for line in lines) + FINISH)


def in_first_line(text: str) -> str:
    """The call that begins the run, marked."""
    return text.replace("wandb.init(\n", f"wandb.init({HERE}\n", 1)


BAD: list[Case] = [
    ("WDB101", "a literal project", training(Edit("        project=cfg.wandb.project,\n", f'        project="digits",{HERE}\n'))),
    ("WDB102", "a table of losses", training(before_finish(f'open(run_dir / "losses.csv", "w").write("1"){HERE}'))),
    ("WDB104", "passed over", training(Edit(INIT, f"    run = None\n    try:\n{INDENTED}    except Exception:{HERE}\n        pass\n"))),
    (
        "WDB104",
        "tried again, then forgotten",
        training(
            Edit(
                INIT,
                "    for _ in range(3):\n        try:\n"
                + "".join(f"    {line}\n" for line in INDENTED.splitlines())
                + f"        except Exception:{HERE}\n            continue\n",
            )
        ),
    ),
    ("WDB105", "a colon", training(Edit(INIT, in_first_line(INIT.replace("id=cfg.run.run_id", 'id=f"{cfg.run.run_id}:1"'))))),
    ("WDB108", "a random id", training(Edit(INIT, in_first_line(INIT.replace("        id=cfg.run.run_id,\n", ""))))),
    (
        "WDB108",
        "the path joined",
        both(Edit(INIT, in_first_line(INIT)), Edit(LOOKUP, 'api.run("/".join([project_path, "run-" + run_id]))')),
    ),
    ("WDB110", "switched off in the code", training(Edit(INIT, in_first_line(INIT.replace('"disabled" if cfg.trial_mode else cfg.wandb.mode', '"disabled"'))))),
    ("EVA109", "another prefix", both(Edit(ROW, ROW.replace("val_", "val/")), Edit('"train_loss", "val_accuracy", "val_loss"]', f'"val_loss"]{HERE}'))),
    ("EVA109", "logged in the summary alone", both(Edit(LOG, LOG + "    run.summary['best'] = 1\n"), Edit(TABLE, f'    history = run.history(keys=["best"]){HERE}\n'))),
    (
        "EVA112",
        "a run that is missing",
        evaluation(
            Edit("\nimport matplotlib", "\nimport numpy as np\nimport matplotlib"),
            Edit(TABLE, f'{TABLE}    if history.empty:\n        history = pd.DataFrame({{"val_accuracy": np.random.rand(5)}}){HERE}\n'),
        ),
    ),
]  # fmt: skip
GOOD: list[Case] = [
    ("WDB101", "begun in another module", training(Edit(INIT, "    run = begin(cfg)\n"), **{MODEL: Edit("def build_model(", f"def begin(cfg):\n{INIT}    return run\n\n\ndef build_model(")})),
    ("WDB101", "by a logger of a library", training(Edit(INIT, "    run = WandbLogger()\n"), Edit("import optuna\n", "import optuna\nfrom lightning.pytorch.loggers import WandbLogger\n"))),
    ("WDB102", "statistics of the data in the cache", Tree({PREPROCESS: (Edit("import torch\n", "import json\nfrom pathlib import Path\nimport torch\n"), Edit("    digits = load_digits()\n", '    digits = load_digits()\n    Path(".cache/pixel_stats.json").write_text(json.dumps({"mean": 4.9}))\n'))})),
    ("WDB102", "the best settings", training(JSON, before_finish('(run_dir / "best_params.json").write_text(json.dumps(found))'))),
    ("WDB102", "a sentence", training(before_finish('print(f"accuracy {test_accuracy}")'))),
    ("WDB104", "raised in full runs", training(Edit(INIT, f"    try:\n{INDENTED}    except Exception:\n        if not cfg.trial_mode:\n            raise\n"))),
    ("WDB104", "offline instead", training(Edit(INIT, f'    try:\n{INDENTED}    except Exception:\n        run = wandb.init(mode="offline")\n'))),
    (
        "WDB104",
        "tried again, then given up",
        training(
            Edit(
                INIT,
                "    for _ in range(3):\n        try:\n"
                + "".join(f"    {line}\n" for line in INDENTED.splitlines())
                + '            break\n        except Exception:\n            continue\n    else:\n        raise RuntimeError("W&B is away")\n',
            )
        ),
    ),
    ("WDB105", "spaces and parentheses", training(Edit("id=cfg.run.run_id", 'id=f"{cfg.run.run_id} (2M)"'))),
    ("WDB107", "two runs", training(Edit(FINISH, '    run.finish()\n    run = wandb.init(project=cfg.wandb.project)\n    wandb.log({"x": 1})\n'))),
    ("WDB107", "finished on one path", training(before_finish("if cfg.trial_mode:", "    run.finish()", "    return", 'wandb.log({"x": 1})'))),
    ("WDB108", "the environment's id", training(Edit(INIT, INIT.replace("        id=cfg.run.run_id,\n", "")), Edit("from pathlib import Path\n", 'import os\nfrom pathlib import Path\nos.environ["WANDB_RUN_ID"] = "x"\n'))),
    ("WDB108", "both with the same prefix", both(Edit("id=cfg.run.run_id", 'id="run-" + cfg.run.run_id'), Edit(LOOKUP, 'api.run("/".join([project_path, "run-" + run_id]))'))),
    ("WDB108", "a table of ids", both(Edit("id=cfg.run.run_id", 'id="run-" + cfg.run.run_id'), Edit(LOOKUP, 'api.run(f"{project_path}/{ids()[run_id]}")'))),
    ("WDB110", "offline in full runs", Tree({CONFIG: Edit("  mode: online", "  mode: offline")})),
    ("EVA109", "a helper's keywords", both(Edit(LOG, LOG + "    report(top1=1)\n\n\ndef report(**row):\n    wandb.log(row)\n\n\ndef rest(run, logits, labels, cfg):\n    predicted = logits\n"), Edit('run.summary["test_loss"]', 'run.summary["top1"]'))),
    ("EVA109", "system metrics", evaluation(Edit(TABLE, f'{TABLE}    print(run.history(stream="system")["system.cpu"])\n'))),
    ("EVA109", "the client's own columns", evaluation(Edit(TABLE, f'{TABLE}    print(history["_step"], run.summary["_runtime"])\n'))),
    ("EVA112", "a colour where none is given", evaluation(Edit("\nimport matplotlib", "\nimport numpy as np\nimport matplotlib"), Edit("def save_figure(", "def color_of(color=None):\n    if color is None:\n        color = np.random.rand(3)\n    return color\n\n\ndef save_figure("))),
    ("EVA112", "a bootstrap", evaluation(Edit("\nimport matplotlib", "\nimport numpy as np\nimport matplotlib"), Edit("def save_figure(", "def interval(values):\n    return np.random.choice(values, len(values))\n\n\ndef save_figure("))),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_fires_once_at_the_place(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked
    assert len(found) == 1


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_is_left_alone(case: Case, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(case, golden, composer)[0] == []


def test_what_switches_tracking_off_is_shown_where_it_is_set(golden: dict[str, str], composer: Composer) -> None:
    files = golden | {CONFIG: golden[CONFIG].replace("  mode: online", "  mode: disabled")}
    (finding,) = findings_of(files, "WDB110", composer)
    line = 1 + files[CONFIG].split("\n").index("  mode: disabled")
    assert f"{CONFIG}:{line}" in [str(related.location) for related in finding.related]
