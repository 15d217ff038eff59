"""Hugging Face's `datasets.load_dataset` for well-known data sets.

They have their true columns, classes, splits and numbers of rows.
"""

from __future__ import annotations

import functools
import inspect
import os
import random
import re
from typing import Any

from .. import hooks, standins
from ..standins import columns as kinds
from ..standins import corpora
from ..standins.columns import BLOCK

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
            names = known_as(path)
            assumed = "" if path in names.split() else names.split()[0] if names else ""
            if not names or (assumed and not _fits(corpora.KNOWN[names], given)):
                standins.unreachable("datasets.load_dataset", path, f"{type(error).__name__}: {error}")
                raise
            if assumed:
                standins.unreachable("datasets.load_dataset", path, f"it is taken for a copy of {assumed}", assumed=assumed)
        name = given.get("name")
        columns, splits = _config(corpora.KNOWN[names], name)
        made = _make(module, f"{names} {name}", columns, splits, given.get("split"))
        shown = f"{path}{f' ({name})' if name else ''}{f', taken for a copy of {assumed}' if assumed else ''}"
        standins.used("datasets.load_dataset", f"{shown}: made-up rows, of which {BLOCK} differ")
        return _streamed(module, made) if given.get("streaming") else made

    module.load_dataset = load_dataset
    if hasattr(module, "load"):
        module.load.load_dataset = load_dataset


def known_as(path: str) -> str:
    """Return the names of the well-known data set that a path refers to.

    The path may also be a copy of it under another owner. Empty for none.
    """
    exact = next((names for names in corpora.KNOWN if path in names.split()), "")
    if exact or path.count("/") != 1:
        return exact
    return next((names for names in corpora.KNOWN if _bare(path) in map(_bare, names.split())), "")


def _bare(path: str) -> str:
    """A data set's name without its owner, and without what spellings differ in."""
    return re.sub(r"[^a-z0-9]", "", path.rpartition("/")[2].lower())


def _fits(configs: dict[str, corpora.Config], given: dict[str, Any]) -> bool:
    """Return whether what is asked of a copy exists in the original.

    If not, the two differ, and it is not known in what else.
    """
    name, split = given.get("name"), given.get("split")
    if "" not in configs and name not in configs and not (name is None and len(configs) == 1):
        return False
    _, splits = configs.get("") or configs.get(str(name)) or next(iter(configs.values()))
    asked = [] if split is None else split if isinstance(split, (list, tuple)) else [split]
    return all(part in (*splits, "all") for one in asked for part in re.findall(r"[A-Za-z_]\w*", str(one)))


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
    """Return a split made of one block of differing rows, of which the other rows are views.

    A column that numbers its rows goes on counting.
    """
    import pyarrow

    length, source = min(abs(rows), MOST), random.Random(f"{seed} {split}")
    made = kinds.block(module, columns, source, rows < 0)
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
