"""Hugging Face's `datasets.load_dataset`: well-known data sets with their columns, classes, splits and numbers of rows."""

from __future__ import annotations

import functools
import os
import random
import re
from typing import Any

from gonogo_probe import hooks, standins

BLOCK = 256  # rows that differ
MOST = 120_000
_BUILDERS = ("json", "csv", "parquet", "text", "imagefolder", "audiofolder", "arrow", "pandas", "webdataset", "generator")
_SPLIT = re.compile(r"^(\w+)(?:\[(-?\d*%?):(-?\d*%?)\])?$")

Columns = dict[str, str]
Splits = dict[str, int]


def _classes(columns: Columns, **splits: int) -> tuple[Columns, Splits]:
    return columns, splits


_REVIEW = {"text": "text", "label": "class:2"}
_PAIR = {"sentence1": "text", "sentence2": "text", "label": "class:2", "idx": "index"}
# Name without its owner, with the config after a slash where it matters: columns and splits.
KNOWN: dict[str, tuple[Columns, Splits]] = {
    "ag_news": _classes({"text": "text", "label": "class:World,Sports,Business,Sci/Tech"}, train=120_000, test=7_600),
    "imdb": _classes({"text": "text", "label": "class:neg,pos"}, train=25_000, test=25_000, unsupervised=50_000),
    "rotten_tomatoes": _classes({"text": "text", "label": "class:neg,pos"}, train=8_530, validation=1_066, test=1_066),
    "yelp_polarity": _classes(_REVIEW, train=560_000, test=38_000),
    "yelp_review_full": _classes({"label": "class:5", "text": "text"}, train=650_000, test=50_000),
    "amazon_polarity": _classes({"label": "class:2", "title": "text", "content": "text"}, train=3_600_000, test=400_000),
    "dbpedia_14": _classes({"label": "class:14", "title": "text", "content": "text"}, train=560_000, test=70_000),
    "emotion": _classes(
        {"text": "text", "label": "class:sadness,joy,love,anger,fear,surprise"}, train=16_000, validation=2_000, test=2_000
    ),
    "trec": _classes({"text": "text", "coarse_label": "class:6", "fine_label": "class:50"}, train=5_452, test=500),
    "sst2": _classes({"idx": "index", "sentence": "text", "label": "class:negative,positive"}, train=67_349, validation=872, test=1_821),
    "glue/sst2": _classes(
        {"sentence": "text", "label": "class:negative,positive", "idx": "index"}, train=67_349, validation=872, test=1_821
    ),
    "glue/cola": _classes({"sentence": "text", "label": "class:2", "idx": "index"}, train=8_551, validation=1_043, test=1_063),
    "glue/mrpc": _classes(_PAIR, train=3_668, validation=408, test=1_725),
    "glue/rte": _classes(_PAIR, train=2_490, validation=277, test=3_000),
    "glue/wnli": _classes(_PAIR, train=635, validation=71, test=146),
    "glue/stsb": _classes({**_PAIR, "label": "float"}, train=5_749, validation=1_500, test=1_379),
    "glue/qqp": _classes(
        {"question1": "text", "question2": "text", "label": "class:2", "idx": "index"}, train=363_846, validation=40_430, test=390_965
    ),
    "glue/qnli": _classes(
        {"question": "text", "sentence": "text", "label": "class:2", "idx": "index"}, train=104_743, validation=5_463, test=5_463
    ),
    "glue/mnli": _classes(
        {"premise": "text", "hypothesis": "text", "label": "class:3", "idx": "index"},
        train=392_702,
        validation_matched=9_815,
        validation_mismatched=9_832,
        test_matched=9_796,
        test_mismatched=9_847,
    ),
    "wikitext": _classes({"text": "text"}, train=36_718, validation=3_760, test=4_358),
    "tinystories": _classes({"text": "text"}, train=2_119_719, validation=21_990),
    "gsm8k": _classes({"question": "text", "answer": "sum"}, train=7_473, test=1_319),
    "squad": _classes(
        {"id": "name", "title": "text", "context": "text", "question": "text", "answers": "answers"}, train=87_599, validation=10_570
    ),
    "squad_v2": _classes(
        {"id": "name", "title": "text", "context": "text", "question": "text", "answers": "answers"}, train=130_319, validation=11_873
    ),
    "mmlu": _classes(
        {"question": "text", "subject": "text", "choices": "choices", "answer": "class:A,B,C,D"}, test=14_042, validation=1_531, dev=285
    ),
    "boolq": _classes({"question": "text", "answer": "bool", "passage": "text"}, train=9_427, validation=3_270),
    "openai_humaneval": _classes(
        {"task_id": "name", "prompt": "text", "canonical_solution": "text", "test": "text", "entry_point": "name"}, test=164
    ),
    "alpaca": _classes({"instruction": "text", "input": "text", "output": "text", "text": "text"}, train=52_002),
    "cnn_dailymail": _classes({"article": "long", "highlights": "text", "id": "name"}, train=287_113, validation=13_368, test=11_490),
    "xsum": _classes({"document": "long", "summary": "text", "id": "name"}, train=204_045, validation=11_332, test=11_334),
    "samsum": _classes({"id": "name", "dialogue": "long", "summary": "text"}, train=14_732, validation=818, test=819),
    "cifar10": _classes({"img": "image:32x3", "label": "class:10"}, train=50_000, test=10_000),
    "cifar100": _classes({"img": "image:32x3", "fine_label": "class:100", "coarse_label": "class:20"}, train=50_000, test=10_000),
    "mnist": _classes({"image": "image:28x1", "label": "class:10"}, train=60_000, test=10_000),
    "fashion_mnist": _classes({"image": "image:28x1", "label": "class:10"}, train=60_000, test=10_000),
    "tiny-imagenet": _classes({"image": "image:64x3", "label": "class:200"}, train=100_000, valid=10_000),
}
IMAGES_MOST = 2_000  # pictures are encoded one by one when they are read


def start() -> None:
    """Stand in for `datasets.load_dataset`."""
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    hooks.when_imported("datasets", _watch)


def _watch(module: Any) -> None:
    original = module.load_dataset

    @functools.wraps(original)
    def load_dataset(path: str, name: Any = None, *more: Any, **named: Any) -> Any:
        if path in _BUILDERS or os.path.exists(path):
            return original(path, name, *more, **named)
        try:
            return original(path, name, *more, **named)
        except Exception as error:
            known = _known(str(path), name)
            if known is None:
                standins.unreachable("datasets.load_dataset", path, f"{type(error).__name__}: {error}")
                raise
        made = _make(module, str(path), *known, named.get("split"))
        standins.used("datasets.load_dataset", f"{path}{f' ({name})' if name else ''}: made-up rows, of which {BLOCK} differ")
        return _streamed(made) if named.get("streaming") else made

    module.load_dataset = load_dataset
    if hasattr(module, "load"):
        module.load.load_dataset = load_dataset


def _known(path: str, name: Any) -> tuple[Columns, Splits] | None:
    short = path.rpartition("/")[2].lower()
    return KNOWN.get(f"{short}/{str(name).lower()}") or KNOWN.get(short) or KNOWN.get(short.replace("-", "_"))


def _make(module: Any, path: str, columns: Columns, splits: Splits, split: Any) -> Any:
    every = {name: _rows(module, path, columns, name, rows) for name, rows in splits.items() if _is_wanted(name, split)}
    if split is None:
        return module.DatasetDict(every)
    if isinstance(split, (list, tuple)):
        return [_part(module, every, str(one)) for one in split]
    return _part(module, every, str(split))


def _is_wanted(name: str, split: Any) -> bool:
    return split is None or "all" in str(split) or name in re.findall(r"\w+", str(split))


def _part(module: Any, every: dict[str, Any], split: str) -> Any:
    if split == "all":
        return module.concatenate_datasets(list(every.values()))
    parts = [_slice(every, one.strip()) for one in split.split("+")]
    return parts[0] if len(parts) == 1 else module.concatenate_datasets(parts)


def _slice(every: dict[str, Any], split: str) -> Any:
    match = _SPLIT.match(split)
    if match is None or match[1] not in every:
        raise ValueError(f"Unknown split {split!r}. Should be one of {list(every)}.")
    rows = every[match[1]]
    start, end = (_bound(text, len(rows), default) for text, default in ((match[2], 0), (match[3], len(rows))))
    return rows if (start, end) == (0, len(rows)) else rows.select(range(start, end))


def _bound(text: str | None, length: int, default: int) -> int:
    if not text:
        return default
    number = length * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    return max(0, min(length, number + length if number < 0 else number))


def _streamed(made: Any) -> Any:
    if isinstance(made, dict):
        return {name: rows.to_iterable_dataset() for name, rows in made.items()}
    return made.to_iterable_dataset()


def _rows(module: Any, path: str, columns: Columns, split: str, length: int) -> Any:
    has_images = any(kind.startswith("image") for kind in columns.values())
    length = min(length, IMAGES_MOST if has_images else MOST)
    source = random.Random(f"{path} {split}")
    features, values = {}, {}
    labels = list(range(BLOCK))
    for name, kind in columns.items():
        features[name], values[name] = _column(module, kind, source, labels, split, length)
    return module.Dataset.from_dict(values, features=module.Features(features))


def _column(module: Any, kind: str, source: random.Random, labels: list[int], split: str, length: int) -> tuple[Any, list[Any]]:
    what, _, detail = kind.partition(":")
    makers = {
        "text": lambda: (module.Value("string"), [_text(source, row) for row in labels]),
        "long": lambda: (module.Value("string"), [" ".join(_text(source, row) for _ in range(8)) for row in labels]),
        "sum": lambda: (module.Value("string"), [f"{row} + {row} = {2 * row}\n#### {2 * row}" for row in labels]),
        "float": lambda: (module.Value("float32"), [5 * source.random() for _ in labels]),
        "bool": lambda: (module.Value("bool"), [bool(row % 2) for row in labels]),
        "choices": lambda: (module.Sequence(module.Value("string")), [[_text(source, row) for _ in range(4)] for row in labels]),
        "answers": lambda: (
            module.Sequence({"text": module.Value("string"), "answer_start": module.Value("int32")}),
            [{"text": ["the"], "answer_start": [0]} for _ in labels],
        ),
    }
    if what == "index":
        return module.Value("int32"), list(range(length))
    if what == "name":
        return module.Value("string"), [f"{split}-{row}" for row in range(length)]
    if what == "class":
        names = detail.split(",") if not detail.isdigit() else [str(number) for number in range(int(detail))]
        return module.ClassLabel(names=names), _repeated([row % len(names) for row in labels], length)
    if what == "image":
        return module.Image(), _repeated(_images(detail, source, labels), length)
    feature, block = makers[what]()
    return feature, _repeated(block, length)


def _text(source: random.Random, row: int) -> str:
    from gonogo_probe.standins.words import sentence

    return sentence(source, row % 2, 2)


def _images(detail: str, source: random.Random, labels: list[int]) -> list[Any]:
    from PIL import Image

    side, channels = map(int, detail.split("x"))
    mode = "RGB" if channels == 3 else "L"
    return [Image.frombytes(mode, (side, side), source.randbytes(side * side * channels)) for _ in labels]


def _repeated(block: list[Any], length: int) -> list[Any]:
    return (block * (-(-length // len(block))))[:length]
