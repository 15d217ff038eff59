"""WDB104."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.handlers import LEAVES, ends, inner, takes
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, enclosing_function, last_name, origin, text_of
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.credentials import KEY, KeyCondition, KeyConditions, begins, ends_run, switches_off
from gonogo.analysis.tracking.wandb_runs import RUN_NAMES, is_init, training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("WDB104", "tracking-fails-open", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, settles=("tracking",))
def tracking_fails_open(modules: dict[str, Module], sources: Sources, contract: Contract) -> Iterator[Violation]:
    """A run that W&B did not take goes on without it.

    What it does:
        Looks for `wandb.init` in a `try` whose handler for any exception neither raises, nor leaves, nor begins the run
        in another way, such as offline. Also looks for conditions on `WANDB_API_KEY` that switch W&B off, or leave
        `wandb.init` out, where no key is in the environment.

    Why it matters:
        The run burns its hours and leaves nothing behind: evaluation reads everything from W&B.

    Instead:
        Let the exception end the run, or begin it with `mode="offline"` and send it later with `wandb sync`.
    """
    training = training_modules(modules, contract)
    for module in training:
        for call in calls(module):
            is_login = origin(module, call.func) == "wandb.login"
            handler = _swallowing(module, call) if is_init(module, call) else _switching_off(module, call) if is_login else None
            if handler is not None:
                yield Violation(
                    module.location(handler),
                    "if W&B does not take the run, it goes on and logs nothing",
                    'let the exception end the run, or begin it with `mode="offline"` here',
                )
    conditions = KeyConditions(sources, contract.trial.key)
    for module in training:
        if KEY in module.text or "api_key" in module.text:
            for condition in conditions.find(module):
                if _goes_on_without_key(condition, training) and not conditions.is_of_trials(condition):
                    yield Violation(
                        module.location(condition.node),
                        f"where `{KEY}` is not set, a full run goes on without W&B and logs nothing",
                        'let `wandb.init` end the run that has no key, or begin it with `mode="offline"` there',
                    )


def _goes_on_without_key(condition: KeyCondition, training: list[Module]) -> bool:
    """Whether what follows where there is no key is a run without W&B."""
    module, without, with_key = condition.module, condition.without, condition.with_key
    if begins(module, without) or ends_run(module, without):
        return False
    if switches_off(without):
        return not switches_off(with_key)
    if any(_raises_without_run(other) for other in training):
        return False
    if begins(module, with_key):
        return True
    function = enclosing_function(module, condition.node)
    returns = any(isinstance(inner, ast.Return) for node in without for inner in ast.walk(node))
    end = condition.node.end_lineno or condition.node.lineno
    behind: list[ast.AST] = [node for node in ast.walk(function) if getattr(node, "lineno", 0) > end] if function is not None else []
    return returns and begins(module, behind)


def _raises_without_run(module: Module) -> bool:
    """Whether code gives up where there is no run: `if run is None: raise …`."""
    return any(ends_run(module, list(node.body)) and _asks_for_run(node.test) for node in module.of(ast.If))


def _asks_for_run(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.Eq)):
        asked: ast.expr | None = test.left
    else:
        asked = test.operand if isinstance(test, ast.UnaryOp) else None
    return asked is not None and RUN_NAMES.match(last_name(asked)) is not None


def _swallowing(module: Module, call: ast.Call) -> ast.ExceptHandler | None:
    """The handler that takes any failure of a call for nothing."""
    tried = _try_around(module, call)
    handler = next((entry for entry in tried.handlers if takes(entry) or _takes_errors_of_wandb(entry)), None) if tried else None
    if tried is None or handler is None or ends(module, handler) or _is_given_up_later(module, tried):
        return None
    hands_back = any(isinstance(node, ast.Return) for entry in tried.body for node in ast.walk(entry))
    goes_on_otherwise = any(
        (isinstance(node, ast.Return) and not (hands_back and _is_nothing(node.value)))
        or text_of(node) == "offline"
        or (isinstance(node, ast.Call) and is_init(module, node))
        for node in inner(handler)
    )
    return None if goes_on_otherwise else handler


def _switching_off(module: Module, call: ast.Call) -> ast.ExceptHandler | None:
    """The handler that takes any failure of a login for a reason to switch W&B off."""
    tried = _try_around(module, call)
    handler = next((entry for entry in tried.handlers if takes(entry) or _takes_errors_of_wandb(entry)), None) if tried else None
    return handler if handler is not None and not ends(module, handler) and switches_off(list(handler.body)) else None


def _try_around(module: Module, call: ast.Call) -> ast.Try | None:
    """The innermost `try` in whose body a call stands, within its function."""
    inside: ast.AST = call
    for parent in ancestors(module, call):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
        if isinstance(parent, ast.Try) and inside in parent.body and parent.handlers:
            return parent
        inside = parent
    return None


def _takes_errors_of_wandb(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and re.search(r"wandb|CommError|UsageError", ast.unparse(handler.type)) is not None


def _is_nothing(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and not node.value)


def _is_given_up_later(module: Module, tried: ast.Try) -> bool:
    """Return whether the code around a `try` may still end the run.

    It may do so after all attempts of a loop, or where there is no run.
    """
    function = enclosing_function(module, tried)
    end = tried.end_lineno or tried.lineno
    return any(
        (isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and origin(module, node.func) in LEAVES)) and node.lineno > end
        for parent in ancestors(module, tried)
        if isinstance(parent, (ast.For, ast.While)) or parent is function
        for node in (ast.walk(parent) if parent is not function else _tests_for_run(function))
    )


def _tests_for_run(function: ast.AST) -> Iterator[ast.AST]:
    """What stands under a question whether there is a run."""
    for node in ast.walk(function):
        if isinstance(node, ast.If) and re.search(r"\brun\b|wandb|wb_", ast.unparse(node.test)):
            yield from (inner for entry in node.body for inner in ast.walk(entry))


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
MODE = '        mode="disabled" if cfg.trial_mode else cfg.wandb.mode,\n'
TRIED = "    try:\n" + "".join(f"    {line}\n" for line in OLD.splitlines())
HELPER = "def begin(cfg, run_dir):\n" + TRIED.replace("run = wandb.init", "return wandb.init")
BAD = [
    Tree(
        {
            "src/train.py": Edit(
                OLD, f'{TRIED}    except Exception as error:  # <- here\n        print("no W&B:", error)\n        run = None\n'
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit(OLD, "    run = begin(cfg, run_dir)\n"),
                Edit("def suggest(", f"{HELPER}    except wandb.errors.CommError:  # <- here\n        return None\n\n\ndef suggest("),
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit("from pathlib import Path\n", "import os\nfrom pathlib import Path\n"),
                Edit(MODE, '        mode="disabled" if cfg.trial_mode or os.getenv("WANDB_API_KEY") is None else "online",  # <- here\n'),
            )
        }
    ),
]
GOOD = Tree(
    {
        "src/train.py": Edit(
            OLD, f'{TRIED}    except Exception as error:\n        raise RuntimeError("W&B did not take the run") from error\n'
        )
    }
)
