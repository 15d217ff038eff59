"""EVA136."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, only_value
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule

# What takes the prompt off, or reads the answer out of the whole text.
TAKEN_OFF = re.compile(
    r"\.split\(|\.partition\(|\.rpartition\(|removeprefix|\.replace\(|len\((?:self\.)?\w{0,40}(?:prompt|input|context|query|text)|\bre\.|\.find\(|\.index\("
    r"|input_len|prompt_len|return_full_text|Seq2Seq|ConditionalGeneration|T5|Bart|inputs_embeds|\.rfind\(|startswith|\.shape\[-?1\]:?|\.size\(-?1\)"
)
METRICS = re.compile(
    r"\b(?:rouge|bleu|meteor|bertscore|exact_match|sacrebleu|corpus_bleu|sentence_bleu)[\w.]{0,40}\(|\bcompute\(\s*predictions|load\(\s*[\"'](?:rouge|bleu|exact_match|meteor|sacrebleu|bertscore|squad)"
)


@rule("EVA136", "prompt-in-the-answer", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def prompt_in_the_answer(modules: dict[str, Module]) -> Iterator[Violation]:
    """What a language model generates is scored together with the prompt before it.

    What it does:
        Looks at files that load a causal language model, generate with it, and score texts by ROUGE, BLEU and the like. Speaks where the
        whole of what `generate` returns is decoded, and nothing in the file takes the prompt off or reads the answer out of the text.
        Encoder-decoder models, which return the answer alone, are left alone.

    Why it matters:
        `generate` of a decoder returns prompt and answer. The overlap with a reference is that of the prompt for the most part; methods
        with longer prompts score lower (transformers, "Generation with LLMs").

    Instead:
        Decode the new tokens alone: `output[:, inputs["input_ids"].shape[1]:]`.
    """
    for module in modules.values():
        if "AutoModelForCausalLM" not in module.text or TAKEN_OFF.search(module.text) or not METRICS.search(module.text):
            continue
        for call in module.of(ast.Call):
            if last_name(call.func) not in ("batch_decode", "decode") or not call.args:
                continue
            given = call.args[0]
            if isinstance(given, ast.Subscript) and isinstance(given.slice, ast.Constant):
                given = given.value
            made = _generated(module, given)
            if made is not None:
                yield Violation(
                    module.location(call),
                    "the prompt is decoded with the answer, and scored with it",
                    "decode the tokens after the prompt alone",
                    related=(Related(location=module.location(made), label="generated here"),),
                )


def _generated(module: Module, node: ast.expr) -> ast.Call | None:
    """The call of `generate` whose whole output an expression is."""
    value = only_value(module, node) if isinstance(node, ast.Name) else node
    return value if isinstance(value, ast.Call) and last_name(value.func) == "generate" else None


PROGRAM = """import evaluate
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokens = AutoTokenizer.from_pretrained("gpt2", padding_side="left")
model = AutoModelForCausalLM.from_pretrained("gpt2").eval()
rouge = evaluate.load("rouge")
texts, wanted = ["Sum up: a b c"], ["a"]
inputs = tokens(texts, return_tensors="pt")
with torch.no_grad():
    output = model.generate(**inputs, max_new_tokens=8)
answers = {answers}
print(rouge.compute(predictions=answers, references=wanted))
"""
HERE = "  # <- here"
BAD = program(PROGRAM.format(answers="tokens.batch_decode(output, skip_special_tokens=True)" + HERE))
GOOD = [
    program(PROGRAM.format(answers='tokens.batch_decode(output[:, inputs["input_ids"].shape[1]:], skip_special_tokens=True)')),
    program(PROGRAM.format(answers='[text.split("b c")[-1] for text in tokens.batch_decode(output)]')),
    program(PROGRAM.format(answers="tokens.batch_decode(output)").replace("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")),
]
