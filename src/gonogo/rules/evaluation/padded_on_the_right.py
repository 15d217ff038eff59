"""EVA137."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, last_name, text_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

TRAINS = re.compile(r"\.backward\(|Trainer\(|\.fit\(|DataCollator")


@rule("EVA137", "padded-on-the-right", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def padded_on_the_right(modules: dict[str, Module]) -> Iterator[Violation]:
    """Prompts of a decoder are padded on the right.

    So that shorter ones are continued after their padding.

    What it does:
        Looks at files that load a causal language model, say `padding_side="right"` for the tokenizer, and pad batches that `generate` is
        given. Speaks where nothing in the project says "left", and where the file does not train.

    Why it matters:
        New tokens come after the padding, at positions the model has never seen a text go on from: answers to short prompts in a batch are
        worse, and depend on the batch they are in (transformers, "Generation with LLMs: wrong padding side").

    Instead:
        Say `padding_side="left"`.
    """
    if any(re.search(r"[\"']left[\"']", module.text) for module in modules.values()):
        return
    for module in modules.values():
        if "AutoModelForCausalLM" not in module.text or TRAINS.search(module.text):
            continue
        side = next(_right(module), None)
        pads = any(_pads(call) for call in module.of(ast.Call))
        generated = next((call for call in module.of(ast.Call) if last_name(call.func) == "generate"), None)
        if side is not None and pads and generated is not None:
            yield Violation(
                module.location(side),
                "prompts are padded on the right, and `generate` goes on after the padding",
                'say `padding_side="left"`',
                related=(Related(location=module.location(generated), label="generated here"),),
            )


def _right(module: Module) -> Iterator[ast.AST]:
    for call in module.of(ast.Call):
        given = argument(call, None, "padding_side")
        if text_of(given) == "right":
            yield call
    for node in module.of(ast.Assign):
        if isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr == "padding_side" and text_of(node.value) == "right":
            yield node


def _pads(call: ast.Call) -> bool:
    given = argument(call, None, "padding")
    return isinstance(given, ast.Constant) and given.value in (True, "longest", "max_length")


PROGRAM = """import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokens = AutoTokenizer.from_pretrained("gpt2"{side}
model = AutoModelForCausalLM.from_pretrained("gpt2").eval()
inputs = tokens(["one", "two and three"], padding={padding}, return_tensors="pt")
with torch.no_grad():
    output = model.{use}
print(output)
"""
HERE = "  # <- here"
BAD = program(PROGRAM.format(side=', padding_side="right")' + HERE, padding="True", use="generate(**inputs)"))
GOOD = [
    program(PROGRAM.format(side=', padding_side="left")', padding="True", use="generate(**inputs)")),
    program(PROGRAM.format(side=', padding_side="right")\ntokens.padding_side = "left"', padding="True", use="generate(**inputs)")),
    program(PROGRAM.format(side=', padding_side="right")', padding="True", use="forward(**inputs).logits")),
    program(PROGRAM.format(side=', padding_side="right")', padding="False", use="generate(**inputs)")),
]
