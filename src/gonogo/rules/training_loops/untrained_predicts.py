"""TRN152."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import names, optimizers, unless

#: What may rightly bring a network back to its beginning, within two batches: the best state so far, an average that begins late, episodes.
_BACK = re.compile(
    r"best_(?:state|model|weight|ckpt|checkpoint|epoch)|early_?stop|\bswa|averagedmodel|episodic|test_time|(?<![a-z])(?:tta|tent)(?![a-z])"
    r"|no_adapt|source_only|unlearn|random_init|no_train",
    re.IGNORECASE,
)


#: What may begin to follow the training later than a bounded run gets.
_MAY_BEGIN_LATE = re.compile(r"(?<![a-z])ema(?![a-z])|averag|teacher|target_net|shadow|polyak|momentum_(?:enc|net|model)", re.IGNORECASE)


@rule(
    "TRN152",
    "untrained-predicts",
    criterion=None,
    severity=Severity.ERROR,
    stage=Stage.REHEARSAL,
    scope=Scope.PROGRAM,
    again=(Stage.TRIAL,),
)
def untrained_predicts(session: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """An optimizer changes parameters, and what predicts afterwards has the values that they began with.

    What it does:
        Compares, in the rehearsal and in the trial of any program, the networks that are called without being trained after an
        optimizer's first step with the values of the parameters before that. Reported where each such call is one of a network that
        still has all the old values: the training is of a copy, or is undone before the evaluation. A warning where names in the code
        speak of a best state, of averages or of episodes, by which two batches may rightly lead back, and in the trial of any program
        of averages and teachers, which may begin late. Silent as soon as one call is of any other network. Reported too where all
        tensors of the network that the steps changed are one number throughout at each such call, and were not at first: they were
        overwritten.

    Why it matters:
        What is evaluated is the network that was made at random, or the pretrained one: the training has no part in the scores.

    Instead:
        Evaluate the network whose parameters the optimizer has, with the values that the training gave it.
    """
    for run, _, optimizer in optimizers(session):
        if session.stage == "trial" and not run.is_any_program:
            continue
        late = run.is_any_program and names(modules, _MAY_BEGIN_LATE)
        if optimizer.flat and not optimizer.uneven:
            yield Violation(
                located(optimizer.flat_place, modules, contract),
                f"each tensor that `{optimizer.name}` trained is one number throughout where the network predicts: it was overwritten",
                "leave the parameters as the training made them",
                related=(Related(location=at(*optimizer.place), label="the optimizer is made here"),) if optimizer.place else (),
                runs=(run.label,),
                evidence=f"steps: {optimizer.steps}; calls afterwards: {optimizer.flat}, all of them by such a network",
            )
        if not optimizer.twins or optimizer.heirs:
            continue
        yield Violation(
            located(optimizer.twin_place, modules, contract),
            f"what predicts here after the training has the very values that `{optimizer.name}` began with: it was never trained",
            "evaluate the network that was trained, with what it has learned",
            related=(Related(location=at(*optimizer.place), label="the optimizer is made here"),) if optimizer.place else (),
            runs=(run.label,),
            severity=unless(late or names(modules, _BACK)),
            evidence=f"steps: {optimizer.steps}; calls afterwards: {optimizer.twins}, all of them by a network that has the first values",
        )


_IMPORT = "from pathlib import Path\n\nimport hydra\n"
_EPOCH = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_OPTIMIZER = "    optimizer = build_optimizer(cfg.run.training.optimizer, model, optimizer_settings(cfg, found))\n"
_CALL = Edit(
    "    batches = [(model(images), labels) for images, labels in loader]\n",
    "    batches = [(model(images), labels) for images, labels in loader]  # <- here\n",
)
_COPIED = (
    Edit(_IMPORT, f"import copy\n{_IMPORT}"),
    Edit(_OPTIMIZER, "    learner = copy.deepcopy(model)\n" + _OPTIMIZER.replace("optimizer, model,", "optimizer, learner,")),
    Edit(_EPOCH, _EPOCH.replace("train_epoch(model", "train_epoch(learner")),
)
_UNDONE = Edit(
    _EPOCH,
    f"        kept = [tensor.clone() for tensor in model.parameters()]\n{_EPOCH}        with torch.no_grad():\n"
    "            for tensor, old in zip(model.parameters(), kept, strict=True):\n                tensor.copy_(old)\n",
)
_AVERAGED = (
    Edit(_IMPORT, f"import copy\n{_IMPORT}"),
    Edit(_OPTIMIZER, f"{_OPTIMIZER}    slow = copy.deepcopy(model)\n"),
    Edit(
        _EPOCH,
        f"{_EPOCH}        with torch.no_grad():\n            for old, new in zip(slow.parameters(), model.parameters(), strict=True):\n"
        "                old.lerp_(new, 0.1)\n",
    ),
    Edit("predict(model, loaders", "predict(slow, loaders"),
    Edit("    return model, {", "    return slow, {"),
)
BAD = [Tree({"src/train.py": (*_COPIED, _CALL)}), Tree({"src/train.py": (_UNDONE, _CALL)})]
GOOD = [Tree(), Tree({"src/train.py": _AVERAGED})]
