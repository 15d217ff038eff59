"""Library calls that download data or weights, and the folder they are told to keep them in.

Only calls of the well-known libraries are covered.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import argument, calls, has_open_keywords, origin, text_of

HUGGING_FACE = ("HF_HOME", "HF_DATASETS_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME")
TORCH = ("TORCH_HOME", "XDG_CACHE_HOME", "set_dir")
# timm takes its weights from Hugging Face since 0.9, where `TORCH_HOME` means nothing.
OLD_TIMM = r"timm\s*(?:==|~=|<|<=)\s*0\.[0-8]"
# Builders that read local files.
LOCAL_DATASETS = frozenset(
    {"json", "csv", "parquet", "text", "arrow", "imagefolder", "audiofolder", "pandas", "generator", "xml", "webdataset"}
)
# torchvision's datasets of local or made-up images.
NOT_DOWNLOADED = frozenset({"FakeData", "ImageFolder", "DatasetFolder", "VisionDataset"})
# A first argument that ends in one of these names a model on the hub rather than a local folder.
HUB_NAME = re.compile(r"(?:name|model_id|hf_id|repo_id|backbone|checkpoint_name|model_name_or_path|tokenizer_name)$")

# Names of the usual families on the hub, with or without who published them.
HUB_ID = re.compile(
    r"^(?:[A-Za-z0-9][\w.-]*/)?(?=[\w.-]*$)(?:[a-z]*bert|roberta|xlm|deberta|electra|albert|gpt2|gpt-|opt-|t5|flan|mt5|bart|vit|deit|swin|clip|llama|"
    r"mistral|qwen|gemma|phi-|pythia|falcon|bloom|mixtral|tinyllama|smollm|wav2vec2|hubert|whisper|resnet-|convnext|dinov2)",
    re.IGNORECASE,
)
Path = tuple[object, ...]


@dataclass(frozen=True)
class Download:
    """One call that downloads.

    Attributes:
        name: of the function, as people call it.
        keyword: the parameter that names the folder.
        condition: the setting that must be true for the call to download; None where nothing stands in its way.
        folder: what is given for it; None if nothing is.
        literal: the folder where it is a literal text.
        variables: environment variables and functions that set the folder for the whole process; any text of theirs excuses the call.
    """

    node: ast.Call
    name: str
    keyword: str
    folder: ast.expr | None
    variables: tuple[str, ...]
    condition: str | None = None

    @property
    def literal(self) -> str | None:
        """The folder where it is a literal text."""
        return text_of(self.folder)


def downloads(module: Module, hub_keys: Container[str] = ()) -> Iterator[Download]:
    """Every call that surely downloads (when its cache is empty) and whose parameters are all visible.

    Args:
        module: where to look.
        hub_keys: settings whose values are names on the hub, see `keys_of_hub_names`.
    """
    for call in calls(module):
        name = origin(module, call.func)
        if name and not has_open_keywords(call):
            found = _of_hugging_face(call, name, hub_keys) or _of_torch(call, name)
            if found is not None:
                yield found


def torchvision_weights(module: Module) -> Iterator[Download]:
    """Yield every torchvision network that is made with weights from its server.

    No parameter names the folder that they go to.
    """
    for call in calls(module):
        name = origin(module, call.func)
        if not name.startswith("torchvision.models.") or has_open_keywords(call):
            continue
        given = argument(call, None, "weights")
        enum = origin(module, given) if given is not None else ""
        if _is_true(argument(call, None, "pretrained")) or text_of(given) is not None or "_Weights." in enum:
            yield Download(call, name, "", None, TORCH)


def keys_of_hub_names(configs: Iterable[Mapping[Path, object]], paths: Container[str]) -> frozenset[str]:
    """Return the settings that name a model on the hub in every config.

    Each value is the name of a known family, and is none of the experiment's folders.
    """
    values: dict[str, list[object]] = {}
    for config in configs:
        for path, value in config.items():
            if path and not isinstance(value, (dict, list)):
                values.setdefault(str(path[-1]), []).append(value)
    return frozenset(
        key
        for key, found in values.items()
        if all(isinstance(value, str) and HUB_ID.match(value) and value not in paths for value in found if value is not None) and any(found)
    )


def _of_hugging_face(call: ast.Call, name: str, hub_keys: Container[str]) -> Download | None:
    short = name.rpartition(".")[2]
    if name in ("datasets.load_dataset", "datasets.load.load_dataset"):
        builder = text_of(argument(call, 0, "path"))
        if builder is None and not _names_hub(argument(call, 0, "path")):
            return None
        if builder is not None and (
            builder in LOCAL_DATASETS or builder.startswith((".", "/")) or builder.endswith((".py", ".json", ".csv"))
        ):
            return None
        return Download(call, "load_dataset", "cache_dir", argument(call, 6, "cache_dir"), HUGGING_FACE)
    if _is_true(argument(call, None, "local_files_only")):
        return None
    if short == "from_pretrained" and name.startswith(("transformers.", "diffusers.")):
        source = argument(call, 0, "pretrained_model_name_or_path")
        text = text_of(source)
        if (text is not None and not text.startswith((".", "/"))) or (text is None and _names_hub(source, hub_keys)):
            return Download(call, f"{name.split('.')[-2]}.from_pretrained", "cache_dir", argument(call, None, "cache_dir"), HUGGING_FACE)
        return None
    if name in ("huggingface_hub.hf_hub_download", "huggingface_hub.snapshot_download"):
        return Download(call, short, "cache_dir", argument(call, None, "cache_dir", "local_dir"), HUGGING_FACE)
    if name == "sentence_transformers.SentenceTransformer" and text_of(argument(call, 0, "model_name_or_path")):
        return Download(call, short, "cache_folder", argument(call, None, "cache_folder"), HUGGING_FACE)
    return None


def _of_torch(call: ast.Call, name: str) -> Download | None:
    short = name.rpartition(".")[2]
    if name.startswith("torchvision.datasets.") and short not in NOT_DOWNLOADED:
        if _is_true(argument(call, None, "download")):
            folder = argument(call, 0, "root")
            return Download(call, f"torchvision.datasets.{short}", "root", folder, ()) if folder is not None else None
        return None
    if name == "timm.create_model":
        wanted = argument(call, 1, "pretrained")
        setting = qualified_name(wanted).rpartition(".")[2] if wanted is not None else ""
        if setting or _is_true(wanted):
            return Download(call, name, "cache_dir", argument(call, None, "cache_dir"), (*HUGGING_FACE, OLD_TIMM), setting or None)
        return None
    if name == "torch.hub.load" and text_of(argument(call, None, "source")) != "local":
        return Download(call, name, "model_dir", None, TORCH)
    if name in ("torch.hub.load_state_dict_from_url", "torch.utils.model_zoo.load_url"):
        return Download(call, short, "model_dir", argument(call, 1, "model_dir"), TORCH)
    return None


def _names_hub(node: ast.expr | None, hub_keys: Container[str] = ()) -> bool:
    name = qualified_name(node) if node is not None else ""
    return HUB_NAME.search(name) is not None or name.rpartition(".")[2] in hub_keys


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
