"""TRI124."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, functions, last_name, statement_of
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.cuts import cuts
from gonogo.analysis.training.rounds import cut_epochs, default_of
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

FLAG = re.compile(r"trial|smoke|dry_run|sanity|debug|pilot|mode|quick|limit|fast", re.IGNORECASE)
# Options by which trainers of Lightning and transformers stop after some batches.
LIMITS = ("fast_dev_run", "limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches", "max_steps")
FEWEST_EPOCHS = 5  # of a config that asks for a training in earnest


@rule("TRI124", "full-run-cut", criterion=9, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("trial",))
def full_run_cut(traces: list[Trace], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A full run does no more than a trial does.

    What it does:
        Looks at what a full run surely comes to. Speaks where a function is called with the trial's flag set to True, or without it
        where True is its default, or a trainer with an option such as `fast_dev_run=True`; where a loop over a loader, in which a network
        learns or is scored, is left after no more batches than a trial may have, whatever the flag says; and where training has one or two
        rounds although the config asks for five epochs or more.

    Why it matters:
        The run ends well in minutes, and its result is that of a network that has seen a hundred samples. No trial or rehearsal shows it:
        these are as short.

    Instead:
        Hand the flag on, and cut loaders and epochs only where it is set.
    """
    if not contract.trial.key or any(not trace.complete for trace in traces):
        return
    full = [trace for trace in traces if trace.command == "full"]
    executed = set().union(*(trace.executed for trace in full)) if full else set()
    training = training_modules(modules, contract)
    for module in training:
        for call in calls(module):
            if id(statement_of(module, call)) in executed and not is_asked_before(module, call):
                yield from _of_call(module, call, training, contract.trial.key)
                yield from _of_trainer(module, call, contract.trial.max_batches)
        for cut in cuts(module):
            surely = id(statement_of(module, cut.loop)) in executed and not is_asked_before(module, cut.loop)
            if surely and cut.batches <= contract.trial.max_batches:
                yield Violation(
                    module.location(cut.at),
                    f"a full run leaves this loop after {cut.batches} of its batches, as a trial does",
                    "leave it only in a trial",
                )
    yield from by_message(
        Violation(
            module.location(loop),
            f"a full run has {rounds:g} round{'s' if rounds > 1 else ''} of training, and `{'.'.join(path)}` asks for {wanted:g}",
            "cut the epochs only in a trial",
            runs=(trace.run_id,),
        )
        for trace in full
        for module, loop, rounds, path, wanted in cut_epochs(trace, {entry.path: entry for entry in training}, FEWEST_EPOCHS)
    )


def is_asked_before(module: Module, node: ast.AST) -> bool:
    """Whether a condition around a place asks for the flag, or may."""
    inner = node
    for parent in ancestors(module, node):
        if isinstance(parent, (ast.If, ast.IfExp, ast.While)) and inner is not parent.test and FLAG.search(ast.unparse(parent.test)):
            return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and FLAG.search(parent.name):
            return True
        inner = parent
    return False


def _of_call(module: Module, call: ast.Call, training: list[Module], key: str) -> Iterator[Violation]:
    """A call that gives the flag as True, or lets it be by default."""
    found = [(other, entry) for other in training for entry in functions(other) if entry.name == last_name(call.func)]
    if (
        len(found) != 1
        or any(keyword.arg is None for keyword in call.keywords)
        or any(isinstance(entry, ast.Starred) for entry in call.args)
    ):
        return
    other, function = found[0]
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    keywords = [entry.arg for entry in function.args.kwonlyargs]
    if key not in names + keywords or not any(isinstance(node, ast.Name) and node.id == key for node in ast.walk(function)):
        return
    index = names.index(key) - (names[0] in ("self", "cls")) if key in names else None
    given = argument(call, index, key)
    value = given if given is not None else default_of(function, key)
    if isinstance(value, ast.Constant) and value.value is True:
        yield Violation(
            module.location(call),
            f"a full run calls `{function.name}` with `{key}` True" + ("" if given is not None else ", its default"),
            f"hand the run's own `{key}` on",
            related=(Related(location=other.location(function).model_copy(update={"end_line": function.lineno}), label="what is called"),),
        )


def _of_trainer(module: Module, call: ast.Call, most: int) -> Iterator[Violation]:
    """A trainer of a library that is told to stop after as few batches as a trial has."""
    if last_name(call.func) not in ("Trainer", "TrainingArguments", "Seq2SeqTrainingArguments"):
        return
    for keyword in call.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        is_cut = value is True if keyword.arg == "fast_dev_run" else False
        if keyword.arg in LIMITS and (is_cut or (type(value) is int and 0 < value <= most)):
            yield Violation(
                module.location(keyword.value),
                f"a full run stops by `{keyword.arg}={ast.unparse(keyword.value)}`, as a trial does",
                "set it only in a trial",
            )


_BUILT = "    loaders = build_loaders(cfg.run.dataset, cfg.trial_mode)\n"
_TAKES = "def build_loaders(dataset_cfg: DictConfig, trial_mode: bool)"
_EPOCHS = "    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n"
_ROUND = "    for epoch in range(1, epochs + 1):\n"
_BATCH = "    for images, labels in loader:\n        optimizer.zero_grad()\n"


def _built(call: str, takes: str = _TAKES) -> Tree:
    return Tree({"src/train.py": Edit(_BUILT, f"    loaders = {call}\n"), "src/preprocess.py": Edit(_TAKES, takes)})


def _left(test: str) -> Tree:
    loop = f"    for step, (images, labels) in enumerate(loader):\n        if {test}\n            break\n        optimizer.zero_grad()\n"
    return Tree({"src/train.py": Edit(_BATCH, loop)})


def _lasting(epochs: str, marker: str = "") -> Tree:
    edits = (Edit(_EPOCHS, f"    epochs = {epochs}\n"), Edit(_ROUND, _ROUND.replace("\n", f"{marker}\n")))
    return Tree({"src/train.py": edits})


HERE = "  # <- here"
_MODEL = "    model = build_model(cfg.run.model)\n"


def _trained(options: str) -> Tree:
    made = f"    print(lightning.Trainer(\n        {options}\n    ))\n"
    head = Edit("import hydra\nimport optuna\n", "import hydra\nimport lightning\nimport optuna\n")
    project = Edit('"hydra-core', '"lightning",\n    "hydra-core')
    return Tree({"src/train.py": (head, Edit(_MODEL, _MODEL + made)), "pyproject.toml": project})


BAD = [
    _trained(f"fast_dev_run=True{HERE}"),
    _trained(f"max_epochs=20, limit_train_batches=2{HERE}"),
    _built(f"build_loaders(cfg.run.dataset, True){HERE}"),
    _built(f"build_loaders(cfg.run.dataset, trial_mode=True){HERE}"),
    _left(f"step >= 2:{HERE}"),
    _left(f"step > 0:{HERE}"),
    _lasting("min(1, cfg.run.training.epochs)", HERE),
    _lasting("1 if cfg.trial_mode else min(cfg.run.training.epochs, 2)", HERE),
]
_DEFAULT = "def build_loaders(dataset_cfg: DictConfig, trial_mode: bool = True)"
BAD.append(_built(f"build_loaders(cfg.run.dataset){HERE}", _DEFAULT))
GOOD = [
    _trained("fast_dev_run=cfg.trial_mode, limit_train_batches=2 if cfg.trial_mode else 1.0"),
    _built("build_loaders(cfg.run.dataset, cfg.trial_mode)", _DEFAULT),
    _built("build_loaders(cfg.run.dataset, trial_mode=False)"),
    _built("build_loaders(cfg.run.dataset, True) if cfg.trial_mode else build_loaders(cfg.run.dataset, False)"),
    _left("step >= 2 and len(labels) < 3:"),
    _left("step >= 200:"),
    _lasting("1 if cfg.trial_mode else min(cfg.run.training.epochs, 200)"),
    _lasting("1 if cfg.trial_mode else cfg.run.training.epochs // 10"),
]
