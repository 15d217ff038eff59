"""Hugging Face's `datasets.load_dataset`: well-known data sets with their columns, classes, splits and numbers of rows."""

from __future__ import annotations

import functools
import inspect
import io
import os
import random
import re
from collections.abc import Callable
from typing import Any

from gonogo_probe import hooks, standins
from gonogo_probe.standins import corpora, pictures
from gonogo_probe.standins.words import sentence

BLOCK = 256  # rows that differ; the rest repeats them
MOST = 120_000  # rows, beyond which code would only be slow
CHUNK = 4_096  # rows that are copied in one piece
_BUILDERS = (
    "json",
    "csv",
    "parquet",
    "text",
    "imagefolder",
    "audiofolder",
    "videofolder",
    "arrow",
    "pandas",
    "webdataset",
    "generator",
    "xml",
)
_SPLIT = re.compile(r"^(\w+)(?:\[(-?\d*%?):(-?\d*%?)\])?$")


def start() -> None:
    """Stand in for `datasets.load_dataset`."""
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    hooks.when_imported("datasets", _watch)


def _watch(module: Any) -> None:
    original = module.load_dataset
    signature = inspect.signature(original)

    @functools.wraps(original)
    def load_dataset(*arguments: Any, **named: Any) -> Any:
        given = signature.bind(*arguments, **named).arguments
        path = str(given["path"])
        if path in _BUILDERS or os.path.exists(path) or given.get("data_files") or given.get("data_dir"):
            return original(*arguments, **named)
        try:
            return original(*arguments, **named)
        except Exception as error:
            names = next((names for names in corpora.KNOWN if path in names.split()), None)
            if names is None:
                standins.unreachable("datasets.load_dataset", path, f"{type(error).__name__}: {error}")
                raise
        name = given.get("name")
        columns, splits = _config(corpora.KNOWN[names], name)
        made = _make(module, f"{names} {name}", columns, splits, given.get("split"))
        standins.used("datasets.load_dataset", f"{path}{f' ({name})' if name else ''}: made-up rows, of which {BLOCK} differ")
        return _streamed(module, made) if given.get("streaming") else made

    module.load_dataset = load_dataset
    if hasattr(module, "load"):
        module.load.load_dataset = load_dataset


def _config(configs: dict[str, corpora.Config], name: Any) -> corpora.Config:
    """The config of a name, with the library's own complaint where there is none of that name."""
    if "" in configs:
        return configs[""]
    if name is None:
        raise ValueError(f"Config name is missing.\nPlease pick one among the available configs: {list(configs)}")
    if name not in configs:
        raise ValueError(f"BuilderConfig {name!r} not found. Available: {list(configs)}")
    return configs[name]


def _make(module: Any, seed: str, columns: corpora.Columns, splits: corpora.Splits, split: Any) -> Any:
    every = {name: _rows(module, seed, columns, name, rows) for name, rows in splits.items() if _is_wanted(name, split)}
    if split is None:
        return module.DatasetDict(every)
    if isinstance(split, (list, tuple)):
        return [_part(module, every, splits, str(one)) for one in split]
    return _part(module, every, splits, str(split))


def _is_wanted(name: str, split: Any) -> bool:
    return split is None or "all" in str(split) or name in re.findall(r"\w+", str(split))


def _part(module: Any, every: dict[str, Any], splits: corpora.Splits, split: str) -> Any:
    if split == "all":
        return module.concatenate_datasets(list(every.values()))
    parts = [_slice(every, splits, one.strip()) for one in split.split("+")]
    return parts[0] if len(parts) == 1 else module.concatenate_datasets(parts)


def _slice(every: dict[str, Any], splits: corpora.Splits, split: str) -> Any:
    match = _SPLIT.match(split)
    if match is None or match[1] not in every:
        raise ValueError(f"Unknown split {split!r}. Should be one of {list(splits)}.")
    rows = every[match[1]]
    start, end = (_bound(text, len(rows), default) for text, default in ((match[2], 0), (match[3], len(rows))))
    return rows if (start, end) == (0, len(rows)) else rows.select(range(start, end))


def _bound(text: str | None, length: int, default: int) -> int:
    if not text:
        return default
    number = length * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    return max(0, min(length, number + length if number < 0 else number))


def _streamed(module: Any, made: Any) -> Any:
    if isinstance(made, dict):
        return module.IterableDatasetDict({name: rows.to_iterable_dataset() for name, rows in made.items()})
    return [rows.to_iterable_dataset() for rows in made] if isinstance(made, list) else made.to_iterable_dataset()


def _rows(module: Any, seed: str, columns: corpora.Columns, split: str, rows: int) -> Any:
    """A split: one block of rows that differ, of which the others are views; what numbers its rows goes on counting."""
    import pyarrow

    length, source = min(abs(rows), MOST), random.Random(f"{seed} {split}")
    made = {name: _column(module, kind, source, rows < 0) for name, kind in columns.items()}
    _tell_apart(columns, made, source)
    features = module.Features({name: feature for name, (feature, _) in made.items()})
    block = module.Dataset.from_dict({name: values for name, (_, values) in made.items()}, features=features).data.table
    has_images = any(kind.startswith("image") for kind in columns.values())
    chunk = block if has_images else pyarrow.concat_tables([block] * (CHUNK // BLOCK)).combine_chunks()
    table = pyarrow.concat_tables([chunk] * -(-length // len(chunk))).slice(0, length)
    for number, (name, kind) in enumerate(columns.items()):
        if kind == "index":
            table = table.set_column(number, table.field(name), pyarrow.array(range(length), table.field(name).type))
        elif kind == "name":
            table = table.set_column(number, table.field(name), pyarrow.array([f"{split}/{row}" for row in range(length)]))
    info = module.DatasetInfo(features=features)
    fingerprint = f"{random.Random(f'{seed} {split} {length}').getrandbits(64):016x}"
    return module.Dataset(module.table.InMemoryTable(table), info=info, split=module.NamedSplit(split), fingerprint=fingerprint)


def _tell_apart(columns: corpora.Columns, made: dict[str, Any], source: random.Random) -> None:
    """Have texts and images speak of the first label that there is, and answers of their context."""
    count = next((_count(kind) for kind in columns.values() if kind.partition(":")[0] in ("class", "int")), 2)
    labels = [row % count for row in range(BLOCK)]
    for name, kind in columns.items():
        what, _, detail = kind.partition(":")
        if what == "text":
            made[name] = made[name][0], [sentence(source, label, count) for label in labels]
        elif what == "long":
            made[name] = made[name][0], [" ".join(sentence(source, label, count) for _ in range(8)) for label in labels]
        elif what == "image":
            made[name] = made[name][0], [_image(source, detail, label, count) for label in labels]
    if "answers" in columns:
        first = [context.split()[0] for context in made["context"][1]]
        made["answers"] = made["answers"][0], [{"text": [word], "answer_start": [0]} for word in first]


def _count(kind: str) -> int:
    detail = kind.partition(":")[2]
    return int(detail) if detail.isdigit() else len(detail.split(","))


def _names(detail: str) -> list[str]:
    return [str(number) for number in range(int(detail))] if detail.isdigit() else detail.split(",")


def _image(source: random.Random, detail: str, label: int, count: int) -> dict[str, Any]:
    from PIL import Image

    side, channels = map(int, detail.split("x"))
    spots = min(side, 32)
    content = pictures.pixels(source, label, count, spots * spots, channels)
    file = io.BytesIO()
    Image.frombytes("RGB" if channels == 3 else "L", (spots, spots), content).resize((side, side)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def _column(module: Any, kind: str, source: random.Random, is_secret: bool) -> tuple[Any, list[Any]]:
    """The feature of a column, and its values for one block."""
    what, _, detail = kind.partition(":")
    rows = range(BLOCK)

    def text(row: int) -> str:
        return sentence(source, row % 2, 2)

    def said(row: int) -> list[dict[str, str]]:
        return [{"content": text(row), "role": "user"}, {"content": text(row + 1), "role": "assistant"}]

    value, listed = module.Value, _listed(module)
    makers: dict[str, Callable[[], tuple[Any, list[Any]]]] = {
        "text": lambda: (value("string"), [""] * BLOCK),
        "long": lambda: (value("string"), [""] * BLOCK),
        "image": lambda: (module.Image(), [None] * BLOCK),
        "class": lambda: (module.ClassLabel(names=_names(detail)), [-1 if is_secret else row % _count(kind) for row in rows]),
        "int": lambda: (value("int64"), [row % int(detail) for row in rows]),
        "index": lambda: (value("int32"), list(rows)),
        "name": lambda: (value("string"), [""] * BLOCK),
        "number": lambda: (value("string"), [str(row % int(detail)) for row in rows]),
        "letter": lambda: (value("string"), ["ABCDE"[row % int(detail)] for row in rows]),
        "float": lambda: (value("float32"), [-1.0 if is_secret else 5 * source.random() for _ in rows]),
        "bool": lambda: (value("bool"), [bool(row % 2) for row in rows]),
        "sum": lambda: (
            value("string"),
            [f"There are {row} and {row}.\n{row}+{row}=<<{row}+{row}={2 * row}>>{2 * row}\n#### {2 * row}" for row in rows],
        ),
        "code": lambda: (value("string"), [f"def function_{row}(x):\n    return x + {row}\n" for row in rows]),
        "texts": lambda: (listed(value("string")), [[text(row) for _ in range(int(detail))] for row in rows]),
        "lettered": lambda: (
            {"text": listed(value("string")), "label": listed(value("string"))},
            [{"text": [text(row) for _ in range(int(detail))], "label": list("ABCDE"[: int(detail)])} for row in rows],
        ),
        "answers": lambda: (
            {"text": listed(value("string")), "answer_start": listed(value("int32"))},
            [{"text": [""], "answer_start": [0]} for _ in rows],
        ),
        "dialogue": lambda: ([{"content": value("string"), "role": value("string")}], [said(row) for row in rows]),
        "talk": lambda: (value("string"), [f"\n\nHuman: {text(row)}\n\nAssistant: {text(row + 1)}" for row in rows]),
        "translation": lambda: (
            dict.fromkeys(detail.split(","), value("string")),
            [{language: text(row) for language in detail.split(",")} for row in rows],
        ),
        "tokens": lambda: (listed(value("string")), [text(row).rstrip(".").split() for row in rows]),
        "tags": lambda: (
            listed(module.ClassLabel(names=_names(detail))),
            [[(row + position) % _count(kind) for position in range(14)] for row in rows],
        ),
    }
    return makers[what]()


def _listed(module: Any) -> Callable[[Any], Any]:
    """How this version of the library writes a list of something."""
    return getattr(module, "List", None) or module.Sequence
