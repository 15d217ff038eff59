"""TRN177."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities

FEWEST = 2  # looks


@rule("TRN177", "attention-on-padding", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def attention_on_padding(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, attention sees nothing but padding: the mask is the wrong way round.

    What it does:
        Holds masks for padding against the words that the embeddings of the same network were asked for: those given to the modules of
        PyTorch (`src_key_padding_mask`, where true means hidden), the `attention_mask` of models of transformers (where zero means hidden),
        and what the weights of an attention with a softmax leave out. Reported where all places that are seen hold one and the same word,
        which is nowhere among the hidden ones, while these hold many.

    Why it matters:
        PyTorch's masks and those of transformers have opposite meanings. The wrong way round, each word learns from padding alone; the
        loss still falls a little.

    Instead:
        `src_key_padding_mask=(tokens == padding)`; `attention_mask=(tokens != padding)`.

    References:
        https://docs.pytorch.org/docs/stable/generated/torch.nn.TransformerEncoder.html
    """
    for run, odd in oddities(trial, "hidden"):
        if odd.wrong == odd.looked >= FEWEST:
            yield Violation(
                located(odd.place, modules, contract),
                "attention sees only padding, and the words are hidden: the mask is the wrong way round",
                "turn the mask round: the modules of PyTorch hide where it is true, models of transformers where it is zero",
                runs=(run.label,),
                evidence=odd.details[0],
            )


_NET = """
words = torch.arange(1, 41).reshape(4, 10) * (torch.arange(10) < 6)
network = nn.Module()
network.embed, network.layer = nn.Embedding(41, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
network.forward = lambda x: network.layer(network.embed(x), src_key_padding_mask=x SIGN 0)HERE
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for _ in range(3):
    loss = network(words).pow(2).mean()
    STEP
"""
BAD = beside(_NET.replace("SIGN", "!=").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("SIGN", "==").replace("HERE", ""))]
