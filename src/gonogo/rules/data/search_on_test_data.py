"""DAT106."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.objectives import TestDataReader, has_held_out_data, objectives, whole
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.plan import Plan
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("DAT106", "search-on-test-data", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search", "data"))
def search_on_test_data(
    modules: dict[str, Module], contract: Contract, symbols: Symbols, runs: list[Run], plan: Plan | None
) -> Iterator[Violation]:
    """The search chooses its parameters on the test data.

    What it does:
        Follows what the value is made of that the function given to `study.optimize` returns, through the functions of the
        project and the parts of dicts and tuples. Speaks where it surely comes from something that is called the test data
        (`test_loader`, `loaders["test"]`, `split="test"` …). What the function splits off for itself is no test data,
        whatever its name. It is a warning where neither the plan nor the code knows any held-out data.

    Why it matters:
        The parameters are then fitted to the very images that the result is reported on: the result says nothing about
        new ones.

    Instead:
        Score trials on a validation split, or on held-out data that the evaluation never sees.
    """
    metrics = {value for run in runs if isinstance(value := run.document.get((*run.section("optuna"), "metric")), str)}
    reader = TestDataReader(symbols, sorted(metrics))
    training = training_modules(modules, contract)
    for module, objective in objectives(training, symbols):
        place = whole(reader.returned(module, objective))
        if place is not None:
            yield Violation(
                place.module.location(place.node),
                "the search scores its trials on the test data",
                "score trials on a validation split, or on held-out data that the evaluation never sees",
                related=(Related(location=module.location(objective), label="the objective of the search"),),
                severity=None if _names_held_out(plan) or has_held_out_data(training) else Severity.WARNING,
            )


def _names_held_out(plan: Plan | None) -> bool:
    return plan is not None and re.search(r"held[- _]?out|validation|hold-?out", f"{plan.design} {plan.method}", re.IGNORECASE) is not None


RETURN = "        return scores[cfg.run.optuna.metric]\n"
FITTED = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
LOADERS = (
    '        model, scores = fit(cfg, suggested, log_to_wandb=False)\n        test_loader = build_loaders(cfg.run.dataset, False)["test"]\n'
)
BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(FITTED, f"{LOADERS}        logits, labels = predict(model, test_loader)  # <- here\n"),
                Edit(RETURN, "        accuracy, _ = score(logits, labels)\n        return accuracy\n"),
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                '        val_logits, val_labels = predict(model, loaders["validation"])\n',
                '        val_logits, val_labels = predict(model, loaders["test"])  # <- here\n',
            )
        }
    ),
]
GOOD = [
    Tree({"src/train.py": Edit(FITTED, f"{LOADERS}        print(predict(model, test_loader))\n")}),
    Tree(
        {
            "src/train.py": (
                Edit(FITTED, f"{LOADERS}        logits, labels = predict(model, test_loader)\n"),
                Edit(RETURN, '        return {"test": score(logits, labels)[0], **scores}[cfg.run.optuna.metric]\n'),
            )
        }
    ),
]
