"""WDB104: a run that goes on without W&B where no key is in the environment, in the ways that programs ask for the key."""

from __future__ import annotations

import pytest
from rule_cases import HERE, TRAIN, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

IMPORT = Edit("from pathlib import Path\n", "import os\nfrom pathlib import Path\n")
MODE = '        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,\n'
BEGIN = "    run = wandb.init(\n"
SUGGEST = "def suggest(trial"
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
INDENTED = "".join(f"    {line}\n" for line in INIT.splitlines())
HELPER = "def begin(cfg, run_dir):\n"
HELPED = INIT.replace("run = wandb", "return wandb")


def mode(expression: str, before: str = "", definition: str = "") -> Tree:
    """The golden training with another mode, lines before the run is begun, and one more definition."""
    edits = [
        IMPORT,
        Edit(BEGIN + INIT.partition(MODE)[0].removeprefix(BEGIN) + MODE, f"{before}{INIT.partition(MODE)[0]}        mode={expression},\n"),
    ]
    return Tree({TRAIN: (*edits, *([Edit(SUGGEST, f"{definition}\n\n\n{SUGGEST}")] if definition else []))})


def instead(text: str, definition: str = "") -> Tree:
    """The golden training with something in place of the beginning of the run."""
    return Tree({TRAIN: (IMPORT, Edit(INIT, text), *([Edit(SUGGEST, f"{definition}\n\n\n{SUGGEST}")] if definition else []))})


OPEN = {
    "none": mode(f'"disabled" if os.environ.get("WANDB_API_KEY") is None else "online"{HERE}\n        '),
    "not": mode(f'"disabled" if not os.getenv("WANDB_API_KEY") else cfg.wandb.mode{HERE}\n        '),
    "the other way round": mode(f'cfg.wandb.mode if os.getenv("WANDB_API_KEY", "") else "disabled"{HERE}\n        '),
    "or a trial": mode(f'"disabled" if cfg.trial_mode or "WANDB_API_KEY" not in os.environ else "online"{HERE}\n        '),
    "and no trial": mode(f'"online" if os.getenv("WANDB_API_KEY") and not cfg.trial_mode else "disabled"{HERE}\n        '),
    "a variable": mode(
        f'"online" if has_key else "disabled"{HERE}\n        ', '    has_key = bool(os.environ.get("WANDB_API_KEY", "").strip())\n'
    ),
    "a helper function": mode(
        f'"online" if has_key() else "disabled"{HERE}\n        ',
        definition='def has_key():\n    return os.environ.get("WANDB_API_KEY") is not None',
    ),
    "a constant": mode(f'"online" if KEY else "disabled"{HERE}\n        ', definition='KEY = os.environ.get("WANDB_API_KEY")'),
    "an empty text": mode(f'"disabled" if os.environ.get("WANDB_API_KEY", "") == "" else "online"{HERE}\n        '),
    "the client's own key": mode(f'"disabled" if wandb.api.api_key is None else "online"{HERE}\n        '),
    "the environment": instead(f'    if not os.getenv("WANDB_API_KEY"):{HERE}\n        os.environ["WANDB_MODE"] = "disabled"\n{INIT}'),
    "a variable for the mode": mode("wandb_mode", f'    wandb_mode = cfg.wandb.mode\n    if os.getenv("WANDB_API_KEY") is None:{HERE}\n        wandb_mode = "disabled"\n'),
    "a login that fails": instead(
        f'    try:\n        wandb.login()\n    except Exception:{HERE}\n        os.environ["WANDB_MODE"] = "disabled"\n{INIT}'
    ),
    "left out": instead(f'    run = None\n    if os.getenv("WANDB_API_KEY"):{HERE}\n{INDENTED}'),
    "left out of a helper function": instead(
        "    run = begin(cfg, run_dir)\n", f'{HELPER}    if "WANDB_API_KEY" not in os.environ:{HERE}\n        print("no key")\n        return None\n{HELPED}'
    ),
}  # fmt: skip
CLOSED = {
    "offline": mode('"offline" if os.getenv("WANDB_API_KEY") is None else "online"'),
    "raises": instead(f'    if os.getenv("WANDB_API_KEY") is None:\n        raise RuntimeError("no key")\n{INIT}'),
    "leaves": instead(f'    if not os.getenv("WANDB_API_KEY"):\n        raise SystemExit("no key")\n{INIT}'),
    "another variable": mode('"disabled" if os.getenv("MY_DEBUG") else "online"'),
    "only in trials": mode('"disabled" if cfg.trial_mode and not os.getenv("WANDB_API_KEY") else "online"'),
    "inside a condition on trials": instead(
        f'    if cfg.trial_mode:\n        if not os.getenv("WANDB_API_KEY"):\n            os.environ["WANDB_MODE"] = "disabled"\n{INIT}'
    ),
    "a warning": instead(f'    if not os.getenv("WANDB_API_KEY"):\n        print("log in first")\n{INIT}'),
    "a login that fails, and offline": instead(
        f'    try:\n        wandb.login()\n    except Exception:\n        os.environ["WANDB_MODE"] = "offline"\n{INIT}'
    ),
    "logged in": instead(f'    if os.getenv("WANDB_API_KEY"):\n        wandb.login(key=os.environ["WANDB_API_KEY"])\n{INIT}'),
    "a helper function whose caller raises": instead(
        '    run = begin(cfg, run_dir)\n    if run is None:\n        raise RuntimeError("no key")\n',
        f'{HELPER}    if "WANDB_API_KEY" not in os.environ:\n        return None\n{HELPED}',
    ),
    "begun in another way": instead(
        f'    if os.getenv("WANDB_API_KEY"):\n{INDENTED}    else:\n{INDENTED.replace("cfg.wandb.mode", repr("offline"))}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", OPEN)
def test_runs_without_a_key_that_go_on_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("WDB104", way, OPEN[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", CLOSED)
def test_others_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("WDB104", way, CLOSED[way]), golden, composer)[0] == []
