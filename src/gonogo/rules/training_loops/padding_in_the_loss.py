"""TRN160."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import judged, located
from gonogo.rules.training_loops.labels_shifted_twice import HERE, of_words

FEWEST = 8  # labels


@rule("TRN160", "padding-in-the-loss", criterion=None, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def padding_in_the_loss(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a language model learns to say its padding.

    What it does:
        Looks at the first calls in which a causal language model of transformers is trained with `labels`: those at places which the
        `attention_mask` leaves out count in the loss, beyond the first of each text, which may stand for its end.

    Why it matters:
        The loss is mostly that of the padding where texts are short: it falls quickly and says little, and what is learned of the words
        depends on how long the other texts of the batch are.

    Instead:
        Set the labels of padding to -100: `labels.masked_fill(attention_mask == 0, -100)`.
    """
    for run in judged(trial):
        for process in run.processes.values():
            for seen in process.labels.values():
                if seen.blank >= FEWEST:
                    yield Violation(
                        located(seen.place, modules, contract),
                        f"`{seen.name}` learns its padding: the labels of {seen.blank} of {seen.used} places are padding",
                        "set them to -100: `labels.masked_fill(attention_mask == 0, -100)`",
                        runs=(run.label,),
                    )


_MASK = "torch.arange(17).expand(4, 17) < 9"
_GIVEN = "input_ids=words, attention_mask=MASK, labels=LABELS".replace("MASK", f"({_MASK}).long()")
BAD = [of_words(_GIVEN.replace("LABELS", "words"), HERE)]
GOOD = [Tree(), of_words(_GIVEN.replace("LABELS", f"words.masked_fill(~({_MASK}), -100)")), of_words("input_ids=words, labels=words")]
