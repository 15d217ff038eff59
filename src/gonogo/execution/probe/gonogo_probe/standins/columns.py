"""Columns of made-up rows, each of a kind: `corpora.py` says which data set has which.

Rows are as untidy as real ones from the first batch on: texts of very different lengths, some of them empty where the real column has
empty ones, words that are not in English, labels that are kept secret.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

from ..standins import pictures
from ..standins.corruptions import CORRUPTIONS
from ..standins.words import EXOTIC, LONG, SHORT, sentence

BLOCK = 256  # rows that differ; a data set repeats them
TURN = 16  # rows after which the lengths of texts repeat
_Made = tuple[Any, list[Any]]  # the feature of a column, and its values for one block
_TEXTS = ("text", "optional", "long")


def block(module: Any, columns: dict[str, str], source: random.Random, is_secret: bool) -> dict[str, _Made]:
    """The columns of one block of rows.

    Args:
        module: `datasets`.
        columns: the kind of each.
        source: of random numbers.
        is_secret: labels are not given away.
    """
    made = {name: _column(module, kind, source, is_secret) for name, kind in columns.items()}
    _tell_apart(columns, made, source)
    return made


def words_of(row: int, kind: str = "text") -> int:
    """How many words a text of a row has."""
    if kind == "long":
        return LONG[row % len(LONG)]
    return 0 if kind == "optional" and row % 3 else SHORT[row % len(SHORT)]


def _text(source: random.Random, row: int, kind: str = "text", label: int = 0, count: int = 2) -> str:
    length = words_of(row, kind)
    if not length:
        return ""
    told = sentence(source, label, count, length)
    return f"{told} {EXOTIC[row // TURN % len(EXOTIC)]}" if row % TURN == 6 else told


def _tell_apart(columns: dict[str, str], made: dict[str, _Made], source: random.Random) -> None:
    """Have texts and images speak of the first label that there is, and answers of their context."""
    count = next((_count(kind) for kind in columns.values() if kind.partition(":")[0] in ("class", "gaps", "int")), 2)
    labels = [row % count for row in range(BLOCK)]
    for name, kind in columns.items():
        what, _, detail = kind.partition(":")
        if what in _TEXTS:
            made[name] = made[name][0], [_text(source, row, what, label, count) for row, label in enumerate(labels)]
        elif what == "image":
            made[name] = made[name][0], [_image(source, detail, row, label, count) for row, label in enumerate(labels)]
    for name in (name for name, kind in columns.items() if kind.partition(":")[0] == "answers"):
        may_lack = columns[name].endswith(":none")
        made[name] = made[name][0], [_answer(text, row, may_lack) for row, text in enumerate(made["context"][1])]


def _answer(context: str, row: int, may_lack: bool) -> dict[str, list[Any]]:
    """An answer somewhere in a context, also in its last words; none where there may be none."""
    if may_lack and row % 3 == 1:
        return {"text": [], "answer_start": []}
    said = context.split()
    place = row * 7 % len(said)
    return {"text": [said[place]], "answer_start": [len(" ".join(said[:place])) + (place > 0)]}


def _count(kind: str) -> int:
    detail = kind.partition(":")[2]
    return int(detail) if detail.isdigit() else len(detail.split(","))


def _names(detail: str) -> list[str]:
    return [str(number) for number in range(int(detail))] if detail.isdigit() else detail.split(",")


def _image(source: random.Random, detail: str, row: int, label: int, count: int) -> dict[str, Any]:
    from PIL import Image

    size, _, how = detail.partition(":")
    side, channels = map(int, size.split("x"))
    width, height = (side, side) if not how or row % 4 == 0 else (side, side * 3 // 4) if row % 4 < 3 else (side * 2 // 3, side)
    spots = min(side, 32)
    content = pictures.pixels(source, label, count, spots * spots, channels)
    image = Image.frombytes("RGB" if channels == 3 else "L", (spots, spots), content).resize((width, height))
    file = io.BytesIO()
    (image.convert("L") if how == "grey" and row % TURN == 9 else image).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def _letters(row: int, detail: str) -> list[str]:
    """Return the names of a row's choices.

    `mixed` has some rows with digits for letters, and some with other numbers of choices.
    """
    number, _, how = detail.partition(":")
    if how and row % TURN == 5:
        return list("1234")
    return list("ABCDE"[: int(number) + (0 if not how else -1 if row % TURN == 11 else 1 if row % 64 == 13 else 0)])


def _sum(row: int) -> str:
    """A sum with its steps, as gsm8k has them, commas included."""
    one = 1000 + row if row % TURN == 9 else row
    steps = [f"There are {one} and {row}.", *(f"Day {day} is like the day before." for day in range(row % 5))]
    return "\n".join([*steps, f"{one}+{row}=<<{one}+{row}={one + row}>>{one + row}", f"#### {one + row:,}"])


def _column(module: Any, kind: str, source: random.Random, is_secret: bool) -> _Made:
    what, _, detail = kind.partition(":")
    rows = range(BLOCK)

    def text(row: int) -> str:
        return _text(source, row, label=row % 2)

    def said(row: int) -> list[dict[str, str]]:
        return [{"content": text(row), "role": "user"}, {"content": text(row + 1), "role": "assistant"}]

    def label(known: Any) -> Any:
        """A label; of a kind that is text, a secret one is empty."""
        return known if not is_secret else "" if isinstance(known, str) else type(known)(-1)

    value, listed = module.Value, _listed(module)
    makers: dict[str, Callable[[], _Made]] = {
        **dict.fromkeys(_TEXTS, lambda: (value("string"), [""] * BLOCK)),
        "image": lambda: (module.Image(), [None] * BLOCK),
        "class": lambda: (module.ClassLabel(names=_names(detail)), [label(row % _count(kind)) for row in rows]),
        # rows on which people did not agree have none
        "gaps": lambda: (
            module.ClassLabel(names=_names(detail)),
            [-1 if row % 32 == 6 else label(row % _count(kind)) for row in rows],
        ),
        "int": lambda: (value("int64"), [label(row % int(detail)) for row in rows]),
        "index": lambda: (value("int32"), list(rows)),
        "name": lambda: (value("string"), [""] * BLOCK),
        "number": lambda: (value("string"), [label(str(row % int(detail))) for row in rows]),
        "counted": lambda: (value("string"), [label(str(row % int(detail) + 1)) for row in rows]),
        "letter": lambda: (value("string"), [label(_letters(row, detail)[row % len(_letters(row, detail))]) for row in rows]),
        # every corruption at every level within the first rows, so that no choice of both leaves nothing
        "corruption": lambda: (value("string"), [CORRUPTIONS[row % len(CORRUPTIONS)] for row in rows]),
        "level": lambda: (value("int64"), [row // len(CORRUPTIONS) % int(detail) + 1 for row in rows]),
        "float": lambda: (value("float32"), [label(5 * source.random()) for row in rows]),
        "bool": lambda: (value("bool"), [bool(row % 2) for row in rows]),
        "sum": lambda: (value("string"), [_sum(row) for row in rows]),
        "code": lambda: (value("string"), [f"def function_{row}(x):\n    return x + {row}\n" for row in rows]),
        "texts": lambda: (listed(value("string")), [[text(row + turn) for turn in range(int(detail))] for row in rows]),
        "lettered": lambda: (
            {"text": listed(value("string")), "label": listed(value("string"))},
            [{"text": [text(row) for _ in _letters(row, detail)], "label": _letters(row, detail)} for row in rows],
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
        "tokens": lambda: (listed(value("string")), [sentence(source, row % 2, 2, words_of(row)).rstrip(".").split() for row in rows]),
        "tags": lambda: (
            listed(module.ClassLabel(names=_names(detail))),
            [[(row + position) % _count(kind) if position % 3 == 0 else 0 for position in range(words_of(row))] for row in rows],
        ),
    }
    return makers[what]()


def _listed(module: Any) -> Callable[[Any], Any]:
    """How this version of the library writes a list of something."""
    listed: Callable[[Any], Any] = getattr(module, "List", None) or module.Sequence
    return listed
