"""HYD108."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, calls, enclosing_function, has_open_keywords, main_guard, origin
from gonogo.analysis.training.searchspace import SECTION
from gonogo.documents.yaml import KeyPath, YamlDocument
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

RATE = ("learning_rate", "lr")
EPOCHS = ("epochs", "num_epochs", "n_epochs", "max_epochs")
# For a family of calls: the parameter, its place, and the names a config gives it.
OPTIMIZERS: Mapping[str, tuple[int | None, tuple[str, ...]]] = {
    "lr": (1, RATE),
    "momentum": (None, ("momentum",)),
    "weight_decay": (None, ("weight_decay",)),
    "betas": (None, ("betas",)),
    "eps": (None, ("eps", "adam_epsilon")),
}
LOADERS: Mapping[str, tuple[int | None, tuple[str, ...]]] = {"batch_size": (1, ("batch_size",))}
NORMALIZERS: Mapping[str, tuple[int | None, tuple[str, ...]]] = {"mean": (0, ("mean",)), "std": (1, ("std",))}
SEEDERS: Mapping[str, tuple[int | None, tuple[str, ...]]] = {"seed": (0, ("seed",))}
LENGTHS: Mapping[str, tuple[int | None, tuple[str, ...]]] = {"epochs": (None, EPOCHS)}
FAMILIES = {"optimizer": OPTIMIZERS, "loader": LOADERS, "normalize": NORMALIZERS, "seed": SEEDERS, "length": LENGTHS}
LONGEST_TRIAL = 2
SEED_CALLS = frozenset(
    {
        "torch.manual_seed",
        "torch.cuda.manual_seed_all",
        "numpy.random.seed",
        "random.seed",
        "transformers.set_seed",
        "lightning.seed_everything",
    }
)
MODULE_OF_OPTIMIZERS = ("torch.optim.", "transformers.AdamW", "timm.optim.")


@rule("HYD108", "hard-coded-hyperparameter", criterion=2, severity=Severity.WARNING, stage=Stage.CHECK)
def hard_coded_hyperparameter(
    modules: dict[str, Module], runs: list[Run], shared_config: YamlDocument, contract: Contract
) -> Iterator[Violation]:
    """A literal where the config has the value.

    What it does:
        Looks at optimisers, data loaders, normalisation, seeds and numbers of epochs: a literal number is reported
        where the experiment's config has one key for it. Where a call of the same kind takes it from a variable, the
        literal is taken to be meant. Defaults of functions, code for the trial and self-tests under `__main__` are left
        alone.

    Why it matters:
        Changing the config, or the search, changes nothing.

    Instead:
        Read the value from the config.
    """
    evaluation = module_path(contract.evaluation.module)
    keys = _config_keys(runs, shared_config)
    found: dict[tuple[str, str], list[tuple[Module, ast.expr]]] = {}
    fed: set[tuple[str, str]] = set()
    for module in modules.values():
        for call in calls(module) if module.path != evaluation else ():
            family, parameters = _family(module, call)
            for name, (index, _) in parameters.items():
                value = argument(call, index, name)
                if value is None:
                    fed |= {(family, name)} if has_open_keywords(call) else set()
                elif not _is_literal(value):
                    fed.add((family, name))
                elif not _is_apart(module, call, contract):
                    found.setdefault((family, name), []).append((module, value))
        for value in _epochs(module, contract) if module.path != evaluation else ():
            found.setdefault(("length", "epochs"), []).append((module, value))
    for (family, name), places in found.items():
        run, path = _key_of(family, name, keys)
        if (family, name) not in fed and path:
            yield from _report(name, path, run, places)


def _report(name: str, path: KeyPath, run: Run | None, places: list[tuple[Module, ast.expr]]) -> Iterator[Violation]:
    dotted = ".".join(map(str, path))
    related = (Related(location=run.locate(path), label="the value in the config"),) if run is not None and not run.from_plan else ()
    for module, value in places:
        yield Violation(
            module.location(value),
            f"`{name}` is written into the code, so `{dotted}` of the config changes nothing here",
            f"read `{dotted}` from the config",
            related=related,
        )


def _family(module: Module, call: ast.Call) -> tuple[str, Mapping[str, tuple[int | None, tuple[str, ...]]]]:
    name = origin(module, call.func)
    short = name.rpartition(".")[2]
    if name.startswith(MODULE_OF_OPTIMIZERS) and short[:1].isupper() and "lr_scheduler" not in name:
        return "optimizer", OPTIMIZERS
    if name in ("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader"):
        return "loader", LOADERS
    if short == "Normalize" and name.startswith("torchvision."):
        return "normalize", NORMALIZERS
    return ("seed", SEEDERS) if name in SEED_CALLS else ("", {})


def _epochs(module: Module, contract: Contract) -> Iterator[ast.expr]:
    """Numbers of epochs that a function of the module fixes: `num_epochs = 20`, `for epoch in range(20)`."""
    for node in module.of(ast.Assign, ast.For):
        value: ast.expr | None = None
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id in EPOCHS for target in node.targets):
            value = node.value
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == "epoch":
            value = (
                node.iter.args[-1]
                if isinstance(node.iter, ast.Call) and origin(module, node.iter.func) == "range" and node.iter.args
                else None
            )
        if not isinstance(value, ast.Constant) or not isinstance(value.value, int) or value.value <= LONGEST_TRIAL:
            continue
        if enclosing_function(module, node) is not None and not _is_apart(module, node, contract):
            yield value


def _is_literal(node: ast.expr) -> bool:
    """Whether an expression is a number, or a list of numbers."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(_is_literal(entry) for entry in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _is_literal(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool)


def _is_apart(module: Module, call: ast.AST, contract: Contract) -> bool:
    """Whether code belongs to a trial, a self-test or another way of working than the run's."""
    guard = main_guard(module)
    for parent in ancestors(module, call):
        if parent is guard:
            return True
        if isinstance(parent, (ast.If, ast.IfExp)) and _speaks_of(parent.test, (contract.trial.key, "trial", "debug", "smoke", "sanity")):
            return True
    function = enclosing_function(module, call)
    return function is not None and any(word in function.name.lower() for word in ("trial", "dummy", "test_", "fake", "smoke"))


def _speaks_of(test: ast.expr, words: tuple[str, ...]) -> bool:
    names = [
        node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "value", ""))
        for node in ast.walk(test)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Constant))
    ]
    return any(word in name.lower() for name in names for word in words)


def _config_keys(runs: list[Run], shared_config: YamlDocument) -> dict[str, list[tuple[Run | None, KeyPath]]]:
    """Keys with a plain value, by their last name, outside the search section; those of run configs first."""
    found: dict[str, list[tuple[Run | None, KeyPath]]] = {}
    documents: list[tuple[Run | None, YamlDocument]] = [*((run, run.document) for run in runs), (None, shared_config)]
    for run, document in documents:
        for path in document.leaves:
            value: Any = document.get(path)
            if SECTION not in path and isinstance(value, (int, float, list)) and not isinstance(value, bool):
                found.setdefault(str(path[-1]), []).append((run, path))
    return found


def _key_of(family: str, name: str, keys: dict[str, list[tuple[Run | None, KeyPath]]]) -> tuple[Run | None, KeyPath]:
    """The one key of the config that has the parameter's meaning; nothing if several might."""
    candidates = [entry for key in FAMILIES[family][name][1] for entry in keys.get(key, [])]
    if len({path for _, path in candidates}) != 1:
        return None, ()
    return candidates[0]


BAD = [
    Tree({"src/train.py": Edit("torch.manual_seed(cfg.run.training.seed)", "torch.manual_seed(11)  # <- here")}),
    Tree({"src/model.py": Edit('momentum=settings["momentum"],', "momentum=0.9,  # <- here")}),
]
GOOD = Tree({"src/model.py": Edit("        model.parameters(),\n", "        model.parameters(),\n        dampening=0.0,\n")})
