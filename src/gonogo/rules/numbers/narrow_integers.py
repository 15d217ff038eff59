"""NUM104."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Change, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Item, Operation, Ref, Value, constant, number, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.training.uses import operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

NARROW = {"uint8": 255, "int8": 127, "int16": 32767, "uint16": 65535}
IMAGES = frozenset(
    {"cv2.imread", "imageio.imread", "skimage.io.imread", "imageio.v2.imread", "imageio.v3.imread", "matplotlib.image.imread"}
)
SAME = frozenset(
    {"copy", "reshape", "transpose", "flatten", "ravel", "squeeze", "cvtColor", "resize", "flip", "crop", "rot90", "flipud", "fliplr"}
)
MADE = frozenset({"zeros", "ones", "full", "empty", "array", "asarray", "zeros_like", "ones_like", "full_like", "arange"})


@rule("NUM104", "narrow-integers", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def narrow_integers(programs: list[Program]) -> Iterator[Violation]:
    """Small integers are subtracted, added or counted beyond what their type holds: they wrap around.

    What it does:
        Follows arrays of 8 or 16 bits: images that are read, `astype("uint8")`, `dtype=np.uint8`. Speaks where two images of unsigned
        bytes are subtracted or added, where a number is added to or multiplied with an image, and where counts are kept in such an
        array (a warning). `255 - image` and masks of 0 and 1 are right; `labels - 1`, by which class 0 becomes 255, is a warning.

    Why it matters:
        NumPy and PyTorch wrap around without a message: 3 - 5 is 254, so that a squared error of images is nonsense (NumPy, "Data
        types: overflow errors"). The 256th count is 0.

    Instead:
        Convert first: `image.astype(np.float32)`; count in `int64`.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    for operation in walked.known(operations):
        if operation.operator not in ("-", "+", "*") or len(operation.operands) != 2:
            continue
        one, other = operation.operands
        first, second = _is_image(one), _is_image(other)
        amount = number(other) if first else number(one)
        if first and second:
            yield _wraps(operation, "are subtracted" if operation.operator == "-" else "are combined")
        elif (
            first
            and operation.operator in ("+", "-", "*")
            and amount is not None
            and amount == int(amount)
            and isinstance(constant(other), int)
        ):
            if amount not in (0, 1) or operation.operator != "*":
                is_label = operation.operator == "-" and amount == 1  # class 0 of a label map becomes 255, which is ignored
                yield _wraps(operation, "get a number added" if operation.operator != "*" else "are multiplied", sure=not is_label)
        elif second and operation.operator in ("+", "*") and isinstance(constant(one), int) and amount not in (0, 1):
            yield _wraps(operation, "get a number added" if operation.operator == "+" else "are multiplied")
    for change in walked.all(Change):
        made = _narrow_array(change.before)
        if (
            change.operator == "+"
            and made is not None
            and number(change.operand) is not None
            and any(isinstance(around, Loop) for around in change.around())
        ):
            yield violation(
                change,
                f"counts are kept in `{made}`, which wraps around after {NARROW[made]}",
                "count in `int64`",
                severity=Severity.WARNING,
            )


def _wraps(operation: Operation, what: str, sure: bool = True) -> Violation:
    message = f"bytes of images {what}: the result wraps around at 0 and 256"
    return violation(operation, message, "convert to `float32` or `int16` first", sure=sure)


def _is_image(value: Value) -> bool:
    """Whether a value surely is an array of unsigned bytes with the full range."""
    for _ in range(10):
        value = base(value)
        if isinstance(value, Call):
            if value.name in IMAGES:
                return True
            if value.method == "astype":
                return _type_of(value.argument(0, "dtype")) == "uint8" and _is_scaled(value.receiver)
            if value.name in ("numpy.array", "numpy.asarray"):
                inner = base(value.arguments[0]) if value.arguments else None
                while isinstance(inner, Call) and inner.method in ("convert", "resize", "crop", "rotate"):
                    inner = base(inner.receiver) if inner.receiver is not None else None
                opened = isinstance(inner, Call) and inner.name in ("PIL.Image.open", "Image.open")
                return opened and value.argument(1, "dtype") is None
            if value.short in SAME:
                inner = value.arguments[0] if value.name and value.arguments else value.receiver
                if inner is None:
                    return False
                value = inner
                continue
        elif isinstance(value, Item):
            value = value.owner
            continue
        return False
    return False


def _is_scaled(value: Value | None) -> bool:
    """Whether what is converted was multiplied by 255: an image, not a mask."""
    value = plain(value) if value is not None else None
    return isinstance(value, Operation) and value.operator == "*" and any(number(entry) == 255 for entry in value.operands)


def _type_of(value: Value | None) -> str:
    value = plain(value) if value is not None else None
    if isinstance(value, (Ref, Attribute)):
        return value.name.rpartition(".")[2]
    return text(value) or ""


def _narrow_array(value: Value) -> str | None:
    """The type of an array that is made with a narrow one."""
    value = plain(value)
    if isinstance(value, Item):
        value = base(value.owner)
    if isinstance(value, Call) and value.short in MADE and value.name.startswith(("numpy.", "torch.")):
        place = 2 if value.short in ("full", "full_like") else 1
        kind = _type_of(value.argument(place if value.name.startswith("numpy.") else None, "dtype"))
        return kind if kind in NARROW and kind not in ("int16", "uint16") else None
    return None


PROGRAM = """import cv2
import numpy as np

first, second = cv2.imread("a.png"), cv2.imread("b.png")
{line}
print(value)
"""
BAD = [
    program(PROGRAM.format(line="value = np.mean((first - second) ** 2)  # <- here")),
    program(PROGRAM.format(line="value = first * 2  # <- here")),
    program(
        PROGRAM.format(line="value = np.zeros(10, dtype=np.uint8)\nfor label in np.load('labels.npy'):\n    value[label] += 1  # <- here")
    ),
]
GOOD = [
    program(PROGRAM.format(line="value = np.mean((first.astype(np.float32) - second) ** 2)")),
    program(PROGRAM.format(line="value = 255 - first")),
    program(PROGRAM.format(line="mask = (first > 9).astype(np.uint8)\nvalue = 1 - mask")),
]
