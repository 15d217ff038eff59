"""TRN159."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import judged, located

FEWEST = 32  # labels
MOST_SAME = 0.9  # of the labels, where a text repeats itself


@rule("TRN159", "labels-shifted-twice", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def labels_shifted_twice(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a language model that shifts its labels is given labels that are shifted already.

    What it does:
        Looks at the first calls in which a causal language model of transformers is trained with `labels`: all labels that count are the
        words one place ahead of theirs, and they are not the words at their place.

    Why it matters:
        The model compares each answer with the label one place ahead. With labels that are shifted already it learns to say the word after
        the next, and whatever is generated leaves out every second word. The loss looks as usual.

    Instead:
        Give `input_ids` as `labels`, with -100 where nothing is to be learned.

    References:
        https://huggingface.co/docs/transformers/model_doc/gpt2#transformers.GPT2LMHeadModel.forward.labels
    """
    for run in judged(trial):
        for process in run.processes.values():
            for seen in process.labels.values():
                if seen.used >= FEWEST and seen.ahead == seen.used and seen.same < MOST_SAME * seen.used:
                    yield Violation(
                        located(seen.place, modules, contract),
                        f"`{seen.name}` shifts its labels itself, and these are shifted already: it learns the word after the next",
                        "give `input_ids` as `labels`, with -100 where nothing is to be learned",
                        runs=(run.label,),
                        evidence=f"labels looked at: {seen.used}, of which {seen.ahead} are the next word and {seen.same} the word itself",
                    )


_HEAD = Edit(
    "def train_epoch(",
    '''class TinyLMHeadModel(nn.Module):
    """A language model as those of transformers are."""

    __module__ = "transformers.models.tiny"

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 50)

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """The loss of the next word."""
        logits = self.head(self.words(input_ids))
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def train_words() -> None:
    """Train it for two steps."""
    network = TinyLMHeadModel()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    words = torch.randint(0, 50, (4, 17))
    for _ in range(2):
        optimizer.zero_grad()
        network(input_ids=GIVEN).backward()
        optimizer.step()


def train_epoch(''',
)


def of_words(given: str, here: str = "") -> Tree:
    """An experiment that trains a language model on `words`, which it is given as a text says."""
    head = Edit(_HEAD.old, _HEAD.new.replace("input_ids=GIVEN)", f"{given})").replace(".backward()", f".backward(){here}"))
    return Tree({"src/train.py": (head, Edit("    model.train()\n", "    model.train()\n    train_words()\n"))})


HERE = "  # <- here"
BAD = [
    of_words("input_ids=words[:, :-1], labels=words[:, 1:]", HERE),
    of_words("labels=words.roll(-1, 1)[:, :-1], input_ids=words[:, :-1]", HERE),
]
GOOD = [Tree(), of_words("input_ids=words, labels=words")]
