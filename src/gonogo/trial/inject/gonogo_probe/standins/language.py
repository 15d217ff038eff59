"""transformers' `from_pretrained`: a model of the same family that is tiny, with weights at random, and a tokenizer of whole words."""

from __future__ import annotations

import functools
from typing import Any

from gonogo_probe import hooks, standins

SEED = 0
_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_LLAMA = {**_BERT, "num_key_value_heads": 2}
_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
_BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
# What a name holds, first match counts: the family, and its settings made tiny.
FAMILIES: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("distilbert", "distilbert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}),
    ("xlm-roberta", "xlm-roberta", _BERT),
    ("roberta", "roberta", _BERT),
    ("deberta", "deberta-v2", _BERT),
    ("albert", "albert", {**_BERT, "embedding_size": 16}),
    ("electra", "electra", {**_BERT, "embedding_size": 16}),
    ("bart", "bart", _BART),
    ("bert", "bert", _BERT),
    ("gpt2", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    ("dialogpt", "gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    ("gpt-neox", "gpt_neox", _BERT),
    ("pythia", "gpt_neox", _BERT),
    ("qwen3", "qwen3", {**_LLAMA, "head_dim": 8}),
    ("qwen", "qwen2", _LLAMA),
    ("mistral", "mistral", _LLAMA),
    ("llama", "llama", _LLAMA),
    ("smollm", "llama", _LLAMA),
    ("gemma", "gemma", {**_LLAMA, "head_dim": 8}),
    ("phi-3", "phi3", _LLAMA),
    ("phi", "phi", _LLAMA),
    ("opt", "opt", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 64, "word_embed_proj_dim": 32}),
    ("flan-t5", "t5", _T5),
    ("t5", "t5", _T5),
    ("vit", "vit", _BERT),
)
_LEFT_TO_RIGHT = ("gpt2", "gpt_neox", "qwen2", "qwen3", "mistral", "llama", "gemma", "phi", "phi3", "opt")
_CALLERS_OWN = ("cache_dir", "revision", "token", "use_auth_token", "trust_remote_code", "local_files_only", "force_download", "subfolder")
_MODELS_OWN = (
    *("torch_dtype", "dtype", "device_map", "low_cpu_mem_usage", "quantization_config", "attn_implementation", "config", "use_safetensors"),
    *("ignore_mismatched_sizes", "load_in_8bit", "load_in_4bit", "offload_folder", "max_memory", "output_loading_info", "state_dict"),
)


def start() -> None:
    """Stand in for `from_pretrained` of tokenizers, configs and models."""
    hooks.when_imported("transformers.models.auto.tokenization_auto", lambda module: _replace(module.AutoTokenizer, _tokenizer))
    hooks.when_imported("transformers.tokenization_utils_base", lambda module: _replace(module.PreTrainedTokenizerBase, _tokenizer))
    hooks.when_imported("transformers.models.auto.configuration_auto", lambda module: _replace(module.AutoConfig, _config))
    hooks.when_imported("transformers.models.auto.auto_factory", lambda module: _replace(module._BaseAutoModelClass, _auto_model))
    hooks.when_imported("transformers.modeling_utils", lambda module: _replace(module.PreTrainedModel, _model))


def _replace(kind: Any, make: Any) -> None:
    original = kind.__dict__["from_pretrained"].__func__

    @functools.wraps(original)
    def from_pretrained(cls: Any, name: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(cls, name, *arguments, **named)
        except (OSError, ValueError) as error:
            family = _family(str(name))
            if family is None:
                standins.unreachable(f"transformers.{cls.__name__}", str(name), f"{type(error).__name__}: {error}")
                raise
            made = make(cls, str(name), *family, {key: value for key, value in named.items() if key not in _CALLERS_OWN})
        standins.used(f"transformers.{cls.__name__}", f"{name}: {_shown(make)} of the family {family[0]}")
        return made

    kind.from_pretrained = classmethod(from_pretrained)


def _shown(make: Any) -> str:
    return {"_tokenizer": "a tokenizer of whole words", "_config": "a tiny config"}.get(make.__name__, "a tiny model, weights at random,")


def _family(name: str) -> tuple[str, dict[str, int]] | None:
    short = name.lower()
    return next(((family, tiny) for part, family, tiny in FAMILIES if part in short), None)


def _tokenizer(_: Any, name: str, family: str, __: dict[str, int], named: dict[str, Any]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from gonogo_probe.standins.words import EVERY

    first, last, pad, unknown, mask = _specials(family)
    words = dict.fromkeys([pad, unknown, first, last, mask, *(word.lower() for word in EVERY), *".,!?:;'\"()-"])
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=unknown))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if family not in _LEFT_TO_RIGHT:
        ids = [(token, core.token_to_id(token)) for token in dict.fromkeys((first, last))]
        core.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}" if family != "t5" else f"$A {last}",
            pair=f"{first} $A {last} $B:1 {last}:1" if family != "t5" else f"$A {last} $B {last}",
            special_tokens=ids,
        )
    specials = {"pad_token": pad, "unk_token": unknown, "mask_token": mask}
    if family in _LEFT_TO_RIGHT:
        specials = {"bos_token": first, "eos_token": last, "unk_token": unknown, **({"pad_token": pad} if family == "qwen2" else {})}
    elif first != "[CLS]":
        specials |= {"bos_token": first, "eos_token": last, "cls_token": first, "sep_token": last}
    else:
        specials |= {"cls_token": first, "sep_token": last}
    made = PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=512, **{**specials, **_plain(named)})
    made.name_or_path = name
    if family in _LEFT_TO_RIGHT:
        made.chat_template = "{% for message in messages %}{{ message['role'] + ' : ' + message['content'] + ' ' }}{% endfor %}"
    return made


def _plain(named: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in named.items() if key in ("padding_side", "truncation_side", "pad_token", "model_max_length")}


def _specials(family: str) -> tuple[str, str, str, str, str]:
    """First, last, padding, unknown and mask."""
    if family in ("roberta", "xlm-roberta", "bart"):
        return "<s>", "</s>", "<pad>", "<unk>", "<mask>"
    if family == "t5":
        return "<pad>", "</s>", "<pad>", "<unk>", "<extra_id_0>"
    if family in ("gpt2", "gpt_neox", "qwen2", "qwen3"):
        return ("<|endoftext|>",) * 4 + ("<|mask|>",)  # type: ignore[return-value]
    if family in _LEFT_TO_RIGHT:
        return "<s>", "</s>", "<pad>", "<unk>", "<mask>"
    return "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"


def _config(_: Any, name: str, family: str, tiny: dict[str, int], named: dict[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    wanted = {key: value for key, value in named.items() if key not in (*_MODELS_OWN, "return_unused_kwargs", "use_fast")}
    if family != "vit":
        made = _tokenizer(None, name, family, tiny, {})
        numbers = {"vocab_size": max(len(made), 256)}
        numbers |= {
            f"{each}_token_id": getattr(made, f"{each}_token_id") for each in ("pad", "bos", "eos") if getattr(made, f"{each}_token", None)
        }
        if family == "t5":
            numbers["decoder_start_token_id"] = numbers["pad_token_id"]
        wanted = {**numbers, **wanted}
    config = CONFIG_MAPPING[family](**{**tiny, **wanted})
    config._name_or_path = name
    return config


def _seeded(make: Any, named: dict[str, Any]) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = make()
    dtype = named.get("dtype", named.get("torch_dtype"))
    if isinstance(dtype, str) and dtype != "auto":
        dtype = getattr(torch, dtype)
    return (model.to(dtype) if isinstance(dtype, torch.dtype) else model).eval()


def _auto_model(cls: Any, name: str, family: str, tiny: dict[str, int], named: dict[str, Any]) -> Any:
    config = named.get("config") or _config(None, name, family, tiny, named)
    return _seeded(lambda: cls.from_config(config), named)


def _model(cls: Any, name: str, family: str, tiny: dict[str, int], named: dict[str, Any]) -> Any:
    config = named.get("config")
    if config is None or isinstance(config, str):
        made = _config(None, name, family, tiny, named)
        config = (
            cls.config_class(**{key: value for key, value in made.to_diff_dict().items() if key != "model_type"})
            if cls.config_class
            else made
        )
    return _seeded(lambda: cls(config), named)
