"""MOD122."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, ancestors, argument, calls, last_name, origin
from gonogo.analysis.python.spelled import spelled
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule

# Tokens that the usual tokenizers have, each family its own.
_COMMON = re.compile(
    r"^(?:\[(?:PAD|CLS|SEP|MASK|UNK)\]|</?s>|<(?:pad|unk|mask|bos|eos|cls|sep)>|<\|(?:endoftext|im_start|im_end|eot_id|begin_of_text|end_of_text|pad)\|>)$"
)
_WITHOUT_PADDING = re.compile(
    r"(?:^|/)(?:(?:distil)?gpt2?(?:$|-)|gpt|opt-|llama|mistral|pythia|phi|falcon|codegen|open_llama|TinyLlama|SmolLM)", re.IGNORECASE
)
_PADDED = re.compile(r"bert|electra|t5|bart|xlm|deberta|mpnet|albert", re.IGNORECASE)
_MODELS = re.compile(r"^transformers\.(?:\w+\.)*(?:\w*Model\w*|\w+For\w+|\w+LMHead\w*)\.from_pretrained$")


@rule(
    "MOD122",
    "tokens-without-embedding",
    criterion=4,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("model", "crash"),
)
def tokens_without_embedding(modules: dict[str, Module]) -> Iterator[Violation]:
    """Tokens are added to a tokenizer, and the network's embedding keeps its size.

    What it does:
        Looks for `add_special_tokens` and `add_tokens` with tokens that are written out and new, in a project that loads a pretrained
        network of transformers and never calls `resize_token_embeddings`, nor asks for the tokenizer's length. Tokens that the
        tokenizer has already, such as `eos_token` or the `[PAD]` of BERT, are left alone.

    Why it matters:
        The new ids lie beyond the embedding: the first batch that holds one ends in an index error, on a GPU in a failed device-side
        assertion (transformers, `PreTrainedTokenizerBase.add_special_tokens`).

    Instead:
        Call `model.resize_token_embeddings(len(tokenizer))` after adding them, or use a token that is there: `pad_token = eos_token`.
    """
    texts = [module.text for module in modules.values()]
    if not all_parsed(modules) or any(
        "resize_token_embeddings" in text or re.search(r"len\(\s*(?:self\.)?\w*tok\w*\s*\)", text) for text in texts
    ):
        return
    if not any(_MODELS.match(origin(module, call.func)) for module in modules.values() for call in calls(module)):
        return
    for module in modules.values():
        for call in calls(module):
            added = _added(module, call)
            if added is not None and _is_new(module, modules, call, added):
                yield Violation(
                    module.location(call),
                    f"the token `{added}` gets an id beyond the network's embedding, which nothing resizes",
                    "call `model.resize_token_embeddings(len(tokenizer))` after adding it, or use a token that is there",
                )


def _added(module: Module, call: ast.Call) -> str | None:
    """A token that a call adds, None where it adds none that is written out."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("add_special_tokens", "add_tokens"):
        return None
    if not re.search(r"tok|processor", last_name(call.func.value), re.IGNORECASE):
        return None
    given = argument(call, 0, "special_tokens_dict", "new_tokens")
    if isinstance(given, ast.Name) and len(bound := _bound(module, given.id)) == 1:
        given = bound[0]
    entries = given.values if isinstance(given, ast.Dict) else given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]
    for entry in entries:
        for part in entry.elts if isinstance(entry, (ast.List, ast.Tuple)) else [entry]:
            text = spelled(module, part)
            if text:
                return text
    return None


def _bound(module: Module, name: str) -> list[ast.expr]:
    return [
        node.value for node in module.of(ast.Assign) if any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _is_new(module: Module, modules: Mapping[str, Module], call: ast.Call, token: str) -> bool:
    """Whether a token surely is none that the tokenizer has."""
    guards = [parent.test for parent in ancestors(module, call) if isinstance(parent, ast.If)]
    names = [node.value for other in modules.values() for node in other.of(ast.Constant) if isinstance(node.value, str)]
    without = any(_WITHOUT_PADDING.search(name) for name in names if len(name) < 80)
    padded = any(_PADDED.search(name) for name in names if len(name) < 80)
    if any("pad_token" in ast.unparse(test) for test in guards):
        return without and not padded
    if any("not in" in ast.unparse(test) for test in guards):
        return False
    return not _COMMON.match(token) or (without and not padded)


_PROGRAM = """from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("gpt2")
{add}
model = AutoModelForSequenceClassification.from_pretrained("gpt2", num_labels=2)
{resize}
print(model(**tokenizer(["a", "b c"], padding=True, return_tensors="pt")).logits)
"""
_ADD = 'tokenizer.add_special_tokens({"pad_token": "<fill>"})'
BAD = program(_PROGRAM.format(add=_ADD + "  # <- here", resize=""))
GOOD = [
    program(_PROGRAM.format(add=_ADD, resize="model.resize_token_embeddings(len(tokenizer))")),
    program(_PROGRAM.format(add='tokenizer.add_special_tokens({"pad_token": tokenizer.eos_token})', resize="")),
    program(_PROGRAM.format(add='tokenizer.add_special_tokens({"pad_token": "[PAD]"})', resize="").replace("gpt2", "bert-base-cased")),
]
