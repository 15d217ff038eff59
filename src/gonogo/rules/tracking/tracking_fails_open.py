"""WDB104."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.modules import Module
from gonogo.code.names import ancestors, calls, origin, text_of
from gonogo.code.tracking import is_init, training_modules
from gonogo.contract import Contract
from gonogo.finding import Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule

LEAVES = frozenset({"sys.exit", "exit", "quit", "os._exit", "os.abort"})


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
    inside: ast.AST = call
    for parent in ancestors(module, call):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, ast.Try) and inside in parent.body:
            handler = next((entry for entry in parent.handlers if _takes_all(entry)), None)
            return handler if handler is not None and not _gives_up(module, handler) else None
        inside = parent
    return None


def _takes_all(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds)


def _gives_up(module: Module, handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends the run, or has another way to track it."""
    for node in (inner for entry in handler.body for inner in ast.walk(entry)):
        if isinstance(node, (ast.Raise, ast.Return)) or text_of(node) == "offline":
            return True
        if isinstance(node, ast.Call) and (origin(module, node.func) in LEAVES or is_init(module, node)):
            return True
    return False


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
