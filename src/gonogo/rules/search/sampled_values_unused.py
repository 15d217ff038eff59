"""OPT127."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.training.objectives import objectives
from gonogo.analysis.training.sampled import Sampling
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("OPT127", "sampled-values-unused", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search",))
def sampled_values_unused(modules: dict[str, Module], sources: Sources) -> Iterator[Violation]:
    """The objective of a search samples values, and what it returns has nothing to do with them.

    What it does:
        Follows within each objective what is made of the values that the trial suggests: variables, entries of a dictionary or of a copied
        config, what functions of the project do with them. Speaks where the number that the objective returns is made of none of it. Silent
        where a value may get there in a way that is not followed, where it decides which way the objective goes, and where the trial itself
        is handed to something unknown.

    Why it matters:
        Every trial trains with the same settings: the search compares noise, and the run is reported as tuned.

    Instead:
        Write the sampled values into the config that the trial's training gets.
    """
    sampling = Sampling(sources.symbols)
    for module, function in objectives(modules.values(), sources.symbols):
        if sampling.is_lost(module, function):
            yield Violation(
                module.location(function),
                f"what `{function.name}` returns does not depend on the values that it samples",
                "train the trial with the sampled values: write them into the config that its training gets",
            )


_HEAD = "    def objective(trial: optuna.Trial) -> float:\n"
_HERE = Edit(_HEAD, _HEAD.replace("\n", "  # <- here\n"))
_FIT = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
_COPY = "        variant = copy.deepcopy(cfg)\n"
_IMPORT = Edit("import optuna\n", "import copy\n\nimport optuna\n")
_WRITE = "        for name, value in suggested.items():\n            variant.run.training[name] = value\n"
BAD = [
    Tree({"src/train.py": (_HERE, Edit(_FIT, "        print(suggested)\n        _, scores = fit(cfg, {}, log_to_wandb=False)\n"))}),
    Tree({"src/train.py": (_HERE, _IMPORT, Edit(_FIT, f"{_COPY}{_WRITE}        _, scores = fit(cfg, {{}}, log_to_wandb=False)\n"))}),
]
GOOD = [
    Tree({"src/train.py": (_IMPORT, Edit(_FIT, f"{_COPY}{_WRITE}        _, scores = fit(variant, {{}}, log_to_wandb=False)\n"))}),
    Tree(
        {"src/train.py": Edit(_FIT, "        cfg.run.training.update(suggested)\n        _, scores = fit(cfg, {}, log_to_wandb=False)\n")}
    ),
]
