"""Running a program on the real OmegaConf, and what came of each line."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from omegaconf import OmegaConf

FILE = "<program>"
MOST_LINES = 20_000


@dataclass
class Seen:
    """What happened.

    Attributes:
        ran: lines that were run.
        raised: lines through which an exception went, whether it was handled or not.
        out: what the program appended to `out`.
        ended: it came to its end.
        failed_at: the line of `main` that ended it, 0 if none did.
    """

    ran: set[int] = field(default_factory=set)
    raised: set[int] = field(default_factory=set)
    out: list[Any] = field(default_factory=list)
    ended: bool = False
    failed_at: int = 0


class _TooLongError(Exception):
    """The program goes on and on."""


def run(source: str, config: dict[str, Any]) -> Seen:
    """Run a program's `main` with its config as Hydra would give it.

    The programs are this test's own: they only read and write configs in memory.
    """
    seen = Seen()
    # `main` is called as it stands: only the decorator is left out.
    text = source.replace('@hydra.main(version_base="1.3", config_path="../config", config_name="config")', "@identity").replace(
        "    out = []\n", "    out = OUT\n"
    )
    names: dict[str, Any] = {"__name__": "program", "OUT": seen.out}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is never right: `[…]['key']`
        module = compile(text, FILE, "exec")
    sys.modules.setdefault("program", sys.modules[__name__])  # dataclasses look their module up
    exec(module, names)
    cfg = OmegaConf.create(config)
    OmegaConf.set_struct(cfg, True)
    steps = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != FILE:
            return None
        if event == "line":
            steps += 1
            if steps > MOST_LINES:
                raise _TooLongError
            seen.ran.add(frame.f_lineno)
        elif event == "exception" and not issubclass(argument[0], StopIteration):
            seen.raised.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        names["main"](cfg)
        seen.ended = True
    except Exception as error:
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == FILE and step.tb_frame.f_code.co_name == "main":
                seen.failed_at = step.tb_lineno
            step = step.tb_next
    finally:
        sys.settrace(before)
    return seen
