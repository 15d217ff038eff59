"""transformers' `from_pretrained`: a smaller model of the same family.

Its layers are fewer or narrower, and its tokenizer has whole words.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
import traceback
from typing import Any

from .. import hooks, standins
from ..standins import families
from ..standins.families import Family, Model

VOCABULARY = 512  # at least
FEWEST_WORDS = 20  # without any file some tokenizers have only their special tokens
# Arguments of `from_pretrained` that are not the config's: where to look, and how to load.
_HUBS = {
    *("cache_dir", "revision", "token", "use_auth_token", "trust_remote_code", "local_files_only", "force_download", "resume_download"),
    *("subfolder", "proxies", "code_revision", "variant", "user_agent", "_commit_hash", "_from_auto", "_from_pipeline"),
    "return_unused_kwargs",
}
_MODELS = {"torch_dtype", "dtype", "device_map", "quantization_config", "attn_implementation"}
_TOKENIZERS = ("padding_side", "truncation_side", "model_max_length")
_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|> ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|> ' }}{% endif %}"
)
_here = threading.local()


def start() -> None:
    """Stand in for `from_pretrained` of tokenizers, configs, models and what prepares images."""
    places = {
        "models.auto.tokenization_auto": ("AutoTokenizer", _tokenizer),
        "tokenization_utils_base": ("PreTrainedTokenizerBase", _tokenizer),
        "models.auto.configuration_auto": ("AutoConfig", _config),
        "configuration_utils": ("PretrainedConfig", _config),
        "models.auto.auto_factory": ("_BaseAutoModelClass", _auto_model),
        "modeling_utils": ("PreTrainedModel", _model),
        "models.auto.image_processing_auto": ("AutoImageProcessor", _images),
        "models.auto.feature_extraction_auto": ("AutoFeatureExtractor", _images),
        "image_processing_base": ("ImageProcessingMixin", _images),
        "models.auto.processing_auto": ("AutoProcessor", _processor),
        "processing_utils": ("ProcessorMixin", _processor),
    }
    for module, (name, make) in places.items():
        hooks.when_imported(f"transformers.{module}", lambda found, name=name, make=make: _replace(getattr(found, name), make))  # type: ignore[misc]


def _replace(kind: Any, make: Any) -> None:
    original = kind.__dict__["from_pretrained"].__func__

    @functools.wraps(original)
    def from_pretrained(cls: Any, name: Any, *arguments: Any, **named: Any) -> Any:
        named = _without_quantisation(named) if make in (_model, _auto_model) else named
        is_outermost = not hasattr(_here, "made")
        if is_outermost:
            _here.made = []
        try:
            return _original_or_made(original, make, cls, name, arguments, named)
        except (OSError, ValueError) as error:
            if is_outermost and not _is_path(str(name)):
                reason, nowhere = f"{type(error).__name__}: {error}", families.cannot_be(str(name))
                standins.unreachable(f"transformers.{cls.__name__}", str(name), reason, nowhere=nowhere)
            raise
        finally:
            if is_outermost:
                made = _here.made
                del _here.made
                if made:
                    standins.used(f"transformers.{cls.__name__}", f"{name}: {made[-1]}")

    kind.from_pretrained = classmethod(from_pretrained)


def _original_or_made(original: Any, make: Any, cls: Any, name: Any, arguments: Any, named: dict[str, Any]) -> Any:
    """Return the original where it exists, otherwise its stand-in.

    `_here.made` lists each stand-in that was made, the innermost first.
    """
    try:
        found = original(cls, name, *arguments, **named)
        if make is not _tokenizer or _is_path(str(name)) or len(found.get_vocab()) - len(found.added_tokens_encoder) > FEWEST_WORDS:
            return found
        failure: Exception = OSError(f"{name} has no vocabulary here")
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and "pip install" in str(error):  # a package is missing
            raise
        failure = error
    except AttributeError as error:  # of weights that are None: with a config, some versions do not miss them before
        if make not in (_model, _auto_model) or "'NoneType' object" not in str(error):
            raise
        failure = error
    except TypeError as error:  # of a tokenizer in Python, which is given None for the file of its words
        if make is not _tokenizer or not _lacks_a_file(error):
            raise
        failure = error
    model = families.model(str(name))
    made = make(cls, model, named) if model is not None else None
    if made is None:
        raise failure
    _here.made.append(f"{_SHOWN.get(make, 'weights at random')} ({model})")
    return made


def _lacks_a_file(error: BaseException) -> bool:
    """Whether what failed was given None for one of its files."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(key.endswith("_file") and value is None for frame in frames for key, value in frame.f_locals.items())


def _without_quantisation(named: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without those that only an accelerator supports, where there is none.

    A missing package is still reported as missing.
    """
    import torch

    if torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        return named
    return {key: value for key, value in named.items() if key not in ("quantization_config", "load_in_4bit", "load_in_8bit")}


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _tokenizer(_: Any, model: Model, named: dict[str, Any]) -> Any:
    import transformers
    from transformers import PreTrainedTokenizerFast

    family = model.family
    if not any(family.specials):
        return None
    first, last, pad, unknown, mask = family.specials
    roles = ["<|system|>", "<|user|>", "<|assistant|>"] if family.chats else []
    names = ("cls_token", "sep_token") if first == "[CLS]" else ("bos_token", "eos_token")
    specials = {names[0]: first, names[1]: last, "pad_token": pad, "unk_token": unknown, "mask_token": mask}
    if family.kind in ("roberta", "xlm-roberta", "bart", "mpnet"):
        specials |= {"cls_token": first, "sep_token": last}
    settings: dict[str, Any] = {"model_max_length": family.longest} if family.longest else {}
    settings |= {key: value for key, value in specials.items() if value}
    settings |= {key: value for key, value in named.items() if key in _TOKENIZERS or key.endswith("_token")}
    made = PreTrainedTokenizerFast(tokenizer_object=_words(family, roles), additional_special_tokens=roles, **settings)
    made.name_or_path = model.name
    own = getattr(transformers, "CLIPTokenizerFast", None) if family.kind == "clip" else None
    if isinstance(own, type) and issubclass(own, PreTrainedTokenizerFast):
        made.__class__ = own  # older processors take no other
    segments = ["token_type_ids"] if family.kind in ("bert", "albert", "electra", "deberta-v2") else []
    made.model_input_names = ["input_ids", *segments, "attention_mask"]
    if family.chats:
        made.chat_template = _TEMPLATE
    return made


def _words(family: Family, roles: list[str]) -> Any:
    """What cuts texts into whole words of our vocabulary, and frames them as the family does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    from ..standins.words import EVERY

    first, last, pad, unknown, mask = family.specials
    marks = [pad or first, first, last, unknown, mask] if pad != "<pad>" else [first, pad, last, unknown, mask]
    words = dict.fromkeys([*filter(None, marks), *roles, *(word.lower() for word in EVERY), *".,!?:;'\"()-+=*/<>#$%&|"])
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=unknown))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    before, after = (first if family.frame in ("both", "first") else "", last if family.frame in ("both", "last") else "")
    if before or after:
        core.post_processor = processors.TemplateProcessing(
            single=list(filter(None, (before, "$A", after))),
            pair=list(filter(None, (before, "$A", after, "$B:1", after and f"{after}:1"))),
            special_tokens=[(token, core.token_to_id(token)) for token in dict.fromkeys(filter(None, (before, after)))],
        )
    return core


def _config(_: Any, model: Model, named: dict[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    if model.family.kind not in CONFIG_MAPPING:  # this version is older than the family
        return None
    settings = {**_vocabulary(model), **families.config(model)}
    if "mnli" in model.name.lower():
        settings["num_labels"] = 3
    config = CONFIG_MAPPING[model.family.kind](**settings)
    unused = {}
    for key, value in named.items():
        if key not in _MODELS and (key in ("num_labels", "id2label", "label2id", "problem_type") or hasattr(config, key)):
            setattr(config, key, value)
        elif key not in _HUBS:
            unused[key] = value
    config._name_or_path = model.name
    return (config, unused) if named.get("return_unused_kwargs") else config


def _vocabulary(model: Model) -> dict[str, Any]:
    tokenizer = _tokenizer(None, model, {})
    if tokenizer is None:
        return {}
    size = max(len(tokenizer), VOCABULARY)
    if model.family.kind == "clip":
        return {}
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    numbers = {"vocab_size": size, **{name: value for name, value in ids.items() if value is not None}}
    if model.family.kind == "t5":
        numbers["decoder_start_token_id"] = numbers["pad_token_id"]
    if model.family.kind == "bart":
        numbers |= {"decoder_start_token_id": numbers["eos_token_id"], "forced_eos_token_id": numbers["eos_token_id"]}
    if model.family.kind in ("bert", "distilbert", "albert", "electra"):
        numbers.setdefault("pad_token_id", 0)
    return numbers


def _finished(make: Any, named: dict[str, Any]) -> Any:
    """Return a model as `from_pretrained` returns it.

    It is made from a seed of its own, in eval mode, and of the type that was asked for.
    """
    import torch

    model = standins.seeded(make)
    dtype = named.get("dtype", named.get("torch_dtype"))
    if isinstance(dtype, str) and dtype != "auto":
        dtype = getattr(torch, dtype)
    model = (model.to(dtype) if isinstance(dtype, torch.dtype) else model).eval()
    if named.get("output_loading_info"):
        return model, {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
    return model


def _auto_model(cls: Any, model: Model, named: dict[str, Any]) -> Any:
    config = named.get("config")
    if config is None or isinstance(config, str):
        config = _config(None, model, {**named, "return_unused_kwargs": False})
    return _finished(lambda: cls.from_config(config), named) if config is not None else None


def _model(cls: Any, model: Model, named: dict[str, Any]) -> Any:
    config = named.get("config")
    if config is None or isinstance(config, str):
        config = _config(None, model, {**named, "return_unused_kwargs": False})
    if config is None:
        return None
    wanted = getattr(cls, "config_class", None)
    if wanted is not None and not isinstance(config, wanted):
        config = getattr(config, wanted.base_config_key, None) if getattr(wanted, "base_config_key", "") else None
        if config is None:  # a class of another family than the name's
            return None
    return _finished(lambda: cls(config), named)


def _images(_: Any, model: Model, named: dict[str, Any]) -> Any:
    import transformers

    names = {"vit": "ViTImageProcessor", "clip": "CLIPImageProcessor"}
    if model.family.kind not in names:
        return None
    side = getattr(_config(None, model, {}), "image_size", 224)
    size = {"size": {"height": side, "width": side}} if model.family.kind == "vit" else {}
    return getattr(transformers, names[model.family.kind])(**size)


def _processor(cls: Any, model: Model, named: dict[str, Any]) -> Any:
    import transformers

    if model.family.kind == "clip":
        return transformers.CLIPProcessor(_images(cls, model, named), _tokenizer(cls, model, named))
    return _tokenizer(cls, model, named) if any(model.family.specials) else _images(cls, model, named)


_SHOWN = {
    _tokenizer: "a tokenizer of whole words",
    _config: "a config",
    _images: "what prepares images",
    _processor: "what prepares inputs",
}
