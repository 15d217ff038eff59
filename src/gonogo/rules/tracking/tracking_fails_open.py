"""WDB104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.handlers import ends, handler_of, inner
from gonogo.code.modules import Module
from gonogo.code.names import calls, text_of
from gonogo.code.tracking import is_init, training_modules
from gonogo.contract import Contract
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule


@rule("WDB104", "tracking-fails-open", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK)
def tracking_fails_open(modules: dict[str, Module], contract: Contract) -> Iterator[Fault]:
    """A run that W&B did not take goes on without it.

    What it does:
        Looks for `wandb.init` in a `try` whose handler for any exception neither raises, nor leaves, nor begins the run
        in another way, such as offline.

    Why it matters:
        The run burns its hours and leaves nothing behind: evaluation reads everything from W&B.

    Instead:
        Let the exception end the run, or begin it with `mode="offline"` and send it later with `wandb sync`.
    """
    for module in training_modules(modules, contract):
        for call in calls(module):
            handler = _swallowing(module, call) if is_init(module, call) else None
            if handler is not None:
                yield Fault(
                    module.location(handler),
                    "if W&B does not take the run, it goes on and logs nothing",
                    'let the exception end the run, or begin it with `mode="offline"` here',
                )


def _swallowing(module: Module, call: ast.Call) -> ast.ExceptHandler | None:
    """The handler that takes any failure of a call for nothing."""
    handler = handler_of(module, call)
    if handler is None or ends(module, handler):
        return None
    goes_on_otherwise = any(
        isinstance(node, ast.Return) or text_of(node) == "offline" or (isinstance(node, ast.Call) and is_init(module, node))
        for node in inner(handler)
    )
    return None if goes_on_otherwise else handler


OLD = """    run = wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        resume="allow",
        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
        dir=run_dir,
        config=OmegaConf.to_container(cfg, resolve=True),
    )
"""
TRIED = "    try:\n" + "".join(f"    {line}\n" for line in OLD.splitlines())
BAD = Tree(
    {"src/train.py": Edit(OLD, f'{TRIED}    except Exception as error:  # <- here\n        print("no W&B:", error)\n        run = None\n')}
)
GOOD = Tree(
    {
        "src/train.py": Edit(
            OLD, f'{TRIED}    except Exception as error:\n        raise RuntimeError("W&B did not take the run") from error\n'
        )
    }
)
