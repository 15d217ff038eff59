"""Families of language and vision models.

This tells which family a name belongs to, how wide and deep it is, and what its tokenizer is like.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

WIDEST = 1_100  # code sometimes has a width written in it: what is not wider than this is as wide as the real one
MOST_NUMBERS = 30_000_000  # in the layers of a stand-in
NARROW, NARROW_HEADS, FEWEST_LAYERS = 64, 4, 4  # code sometimes wants the last four layers
INNER = 64

_USUAL = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
_BERT, _ROBERTA = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"), ("<s>", "</s>", "<pad>", "<unk>", "<mask>")
_GPT = ("<|endoftext|>", "<|endoftext|>", "", "<|endoftext|>", "")
_LLAMA = ("<s>", "</s>", "", "<unk>", "")


@dataclass(frozen=True)
class Family:
    """A family.

    Args:
        kind: its `model_type`.
        size: width, layers and heads where the name says nothing.
        names: of width, layers, heads and inner width in its config.
        more: of its config.
        specials: first, last, padding, unknown and mask token, empty where it has none.
        frame: what a tokenizer puts around a text: `both` ends, the `first` or the `last` token, or nothing.
        longest: what its tokenizer says of lengths, 0 for nothing.
        chats: whether it has a chat template.
    """

    kind: str
    size: tuple[int, int, int] = (768, 12, 12)
    names: tuple[str, str, str, str] = _USUAL
    more: dict[str, Any] = field(default_factory=dict)
    specials: tuple[str, str, str, str, str] = _BERT
    frame: str = "both"
    longest: int = 512
    chats: bool = False


def _decoder(kind: str, specials: tuple[str, str, str, str, str] = _LLAMA, frame: str = "", chats: bool = True, **more: Any) -> Family:
    return Family(kind, (4096, 32, 32), more=more, specials=specials, frame=frame, longest=0, chats=chats)


_DEBERTA = {"relative_attention": True, "position_buckets": 256, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
_DEBERTA |= {"norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False}
_LONGER = {"max_position_embeddings": 514, "type_vocab_size": 1}
_QWEN = ("", "<|im_end|>", "<|endoftext|>", "<|endoftext|>", "")
_GEMMA = ("<bos>", "<eos>", "<pad>", "<unk>", "<mask>")
_T5 = Family("t5", names=("d_model", "num_layers", "num_heads", "d_ff"), specials=("", "</s>", "<pad>", "<unk>", ""), frame="last")
_VIT = Family("vit", specials=("",) * 5)
_SMALL_BERT = Family("bert", (384, 6, 12))
_ROBERTAS = Family("roberta", more=_LONGER, specials=_ROBERTA)
_DISTILBERT = Family("distilbert", (768, 6, 12), ("dim", "n_layers", "n_heads", "hidden_dim"))
_GPT2 = Family("gpt2", names=("n_embd", "n_layer", "n_head", "n_inner"), specials=_GPT, frame="", longest=1024)
_OPT = Family("opt", (768, 12, 12), (*_USUAL[:3], "ffn_dim"), specials=("</s>", "</s>", "<pad>", "<unk>", ""), frame="first", longest=0)
_NEOX = Family("gpt_neox", (512, 6, 8), specials=_GPT, frame="", longest=0)
_QWEN2 = _decoder("qwen2", _QWEN)
_LLAMAS = _decoder("llama", frame="first")

# What a name holds, first match counts.
FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"distilroberta", Family("roberta", (768, 6, 12), more=_LONGER, specials=_ROBERTA)),
    (r"distilbert", _DISTILBERT),
    (r"distilgpt2", Family("gpt2", (768, 6, 12), _GPT2.names, specials=_GPT, frame="", longest=1024)),
    (r"xlm-roberta|twitter-xlm", Family("xlm-roberta", more=_LONGER, specials=_ROBERTA)),
    (r"roberta|codebert", _ROBERTAS),
    (r"deberta", Family("deberta-v2", more=_DEBERTA, longest=0)),
    (r"albert", Family("albert", more={"embedding_size": 128})),
    (r"electra", Family("electra", (768, 12, 12), more={"embedding_size": 128})),
    (r"minilm|bge-small|e5-small|gte-small", _SMALL_BERT),
    (r"mpnet", Family("mpnet", specials=("<s>", "</s>", "<pad>", "[UNK]", "<mask>"), more={"max_position_embeddings": 514})),
    (r"bart(?!pho)", Family("bart", (768, 6, 12), specials=_ROBERTA, longest=1024)),
    (r"bert|bge-(base|large)|e5-(base|large)|gte-(base|large)", Family("bert")),
    (r"gpt2|dialogpt", _GPT2),
    (r"gpt-neox|pythia", _NEOX),
    (r"qwen3", _decoder("qwen3", _QWEN, head_dim=16)),
    (r"qwen-?[12]", _QWEN2),
    (r"smollm", _decoder("llama", ("<|endoftext|>", "<|endoftext|>", "", "<|endoftext|>", ""))),
    (r"mistral|zephyr", _decoder("mistral", frame="first")),
    (r"llama|vicuna|alpaca", _LLAMAS),
    (r"gemma-2", _decoder("gemma2", _GEMMA, "first", head_dim=16)),
    (r"gemma", _decoder("gemma", _GEMMA, "first", head_dim=16)),
    (r"phi-3", _decoder("phi3", ("<s>", "<|endoftext|>", "<|endoftext|>", "<unk>", ""), pad_token_id=0)),
    (r"phi-?[12]", _decoder("phi", _GPT, chats=False)),
    (r"(^|/)opt-", _OPT),
    (r"(?<![a-z])t5(?![a-z])", _T5),
    (
        r"clip-vit",
        Family("clip", (512, 12, 8), specials=("<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>", ""), longest=77),
    ),
    (r"(^|/)(deit|vit)-", _VIT),
)
_OTHERS = re.compile(r"(squeeze|mobile|conv|visual|layout|modern|nomic-|camem|flau|i-)bert|long-?t5|vit-(mae|msn)|vilt|gpt-neo-")
# Width, layers and heads that a name tells, first match counts; with the number of heads for keys and values where it is another.
SIZES: tuple[tuple[str, tuple[int, int, int] | tuple[int, int, int, int]], ...] = (
    (r"bert-?tiny|bert_uncased_l-2_h-128", (128, 2, 2)),
    (r"bert-?mini", (256, 4, 4)),
    (r"bert-?small", (512, 4, 8)),
    (r"bert-?medium", (512, 8, 8)),
    (r"electra-small", (256, 12, 4)),
    (r"deberta-v3-xsmall", (384, 12, 6)),
    (r"deberta-v3-small", (768, 6, 12)),
    (r"minilm-l12", (384, 12, 12)),
    (r"bge-small|e5-small|gte-small", (384, 12, 12)),
    (r"gpt2-medium|dialogpt-medium|opt-350m|pythia-410m", (1024, 24, 16)),
    (r"gpt2-large", (1280, 36, 20)),
    (r"gpt2-xl", (1600, 48, 25)),
    (r"t5.*-small|t5-v1_1-small", (512, 6, 8)),
    (r"bart-large", (1024, 12, 16)),
    (r"opt-125m|pythia-160m", (768, 12, 12)),
    (r"opt-(1|2|6|13|30|66)|pythia-(1|2|6|12)", (4096, 32, 32)),
    (r"qwen2.*-0\.5b", (896, 24, 14, 2)),
    (r"qwen3-0\.6b", (1024, 28, 16, 8)),
    (r"smollm.*-135m", (576, 30, 9, 3)),
    (r"smollm.*-360m", (960, 32, 15, 5)),
    (r"(vit|deit)-tiny", (192, 12, 3)),
    (r"(vit|deit)-small", (384, 12, 6)),
    (r"-(3b|11b|xl|xxl|xlarge|xxlarge)\b", (4096, 24, 32)),
    (r"-large", (1024, 24, 16)),
    (r"(bert|gte|e5|bge).*-base|t5.*-base|-base", (0, 0, 0)),
)
# The only names that the hub has without an owner: those of the first years, all in the model pages of transformers' documentation.
WITHOUT_OWNER = re.compile(
    r"albert-(base|large|xlarge|xxlarge)-v[12]|bert-(base|large)-(un)?cased|bert-base-(chinese|german-cased|multilingual-(un)?cased)"
    r"|bert-base-german-dbmdz-(un)?cased|bert-base-cased-finetuned-mrpc|bert-large-(un)?cased-whole-word-masking(-finetuned-squad)?"
    r"|distilbert-base-((un)?cased(-distilled-squad)?|multilingual-cased|german-cased|uncased-finetuned-sst-2-english)|distilgpt2"
    r"|distilroberta-base|gpt2(-medium|-large|-xl)?|roberta-(base|large)(-openai-detector)?|roberta-large-mnli|t5-(small|base|large|3b|11b)"
    r"|xlm-roberta-(base|large)|xlm-roberta-large-finetuned-conll0(2-(dutch|spanish)|3-(english|german))|xlnet-(base|large)-cased"
    r"|xlm-(clm-(ende|enfr)-1024|mlm-(100-1280|17-1280|en-2048|ende-1024|enfr-1024|enro-1024|(tlm-)?xnli15-1024))|transfo-xl-wt103"
    r"|camembert-base|ctrl|openai-gpt|bert-base-finnish-(un)?cased-v1"
)
# Called as models of the hub are; what has been trained further may be a folder that is not here.
_LIKE_THE_HUBS = re.compile(
    r"(?!.*(tuned|trained|checkpoint|ckpt|final|best|local|model))(distil|xlm-|de|al|m)?(bert|roberta|berta|gpt2?|t5|bart|xlnet|electra)"
    r"-(tiny|mini|small|base|medium|large|xl)\b[\w.-]*",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?:[\w.-]+/)?[\w.-]+")


@dataclass(frozen=True)
class Model:
    """What stands in for a name: its family, and its size beside the real one's."""

    name: str
    family: Family
    width: int
    layers: int
    heads: int
    groups: int
    true_width: int
    true_layers: int

    def __str__(self) -> str:
        wide = f"{self.width} wide" if self.width == self.true_width else f"{self.width} wide (the real one is wider)"
        deep = f"{self.layers} layers" if self.layers == self.true_layers else f"{self.layers} of its {self.true_layers} layers"
        return f"family {self.family.kind}, {wide}, {deep}"


def model(name: str) -> Model | None:
    """Return the stand-in for a model name of the hub.

    None for paths, for names of no known family, and for names that cannot exist there.
    """
    if not _NAME.fullmatch(name) or name.startswith(".") or os.path.exists(name.partition("/")[0]):
        return None
    if "/" not in name and not WITHOUT_OWNER.fullmatch(name):
        return None
    short = name.lower()
    family = next((family for pattern, family in FAMILIES if re.search(pattern, short)), None)
    if family is None or _OTHERS.search(short):
        return None
    found = next((size for pattern, size in SIZES if re.search(pattern, short)), family.size)
    width, layers, heads, *groups = found if found[0] else family.size
    if width > WIDEST:
        return Model(name, family, NARROW, FEWEST_LAYERS, NARROW_HEADS, 2, width, layers)
    fitting = max(FEWEST_LAYERS, MOST_NUMBERS // (4 * width * width))
    return Model(name, family, width, min(layers, fitting), heads, groups[0] if groups else heads, width, layers)


def cannot_be(name: str) -> bool:
    """Whether a name without an owner is like those of the hub, and surely none of the few that it has."""
    return bool(_LIKE_THE_HUBS.fullmatch(name)) and not WITHOUT_OWNER.fullmatch(name.lower()) and not os.path.exists(name)


def config(made: Model) -> dict[str, Any]:
    """What the config of a stand-in is made from, but for its vocabulary."""
    family = made.family
    numbers: dict[str, Any] = dict(zip(family.names, (made.width, made.layers, made.heads, INNER)))
    if family.kind == "bart":
        layers = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in _side(made).items()}
        numbers = {"d_model": made.width, **layers}
    elif family.kind == "t5":
        numbers["d_kv"] = made.width // made.heads
    elif family.kind == "opt":
        numbers["word_embed_proj_dim"] = 512 if "opt-350m" in made.name else made.width
    elif family.kind == "electra" and made.width > 256:
        numbers["embedding_size"] = made.width
    elif family.kind == "clip":
        both = dict(zip(_USUAL, (made.width, made.layers, made.heads, INNER)))
        patch = next((size for size in (16, 14, 32) if name_has(made.name, f"patch{size}")), 32)
        seeing = {**both, "hidden_size": 768, "num_attention_heads": 12, "patch_size": patch, "image_size": 224, "projection_dim": 512}
        numbers = {"text_config": {**both, "projection_dim": 512}, "vision_config": seeing, "projection_dim": 512}
    if family.kind == "vit":
        found = re.search(r"patch(\d+)-(\d+)", made.name)
        numbers |= {"patch_size": int(found[1]), "image_size": int(found[2])} if found else {}
    if family.chats or family.kind == "phi":
        numbers["num_key_value_heads"] = made.groups
    return {**family.more, **numbers}


def name_has(name: str, part: str) -> bool:
    """Whether a name has a part, not followed by another digit."""
    return re.search(rf"{part}(?!\d)", name) is not None


def _side(made: Model) -> dict[str, int]:
    return {"layers": made.layers, "attention_heads": made.heads, "ffn_dim": INNER}
