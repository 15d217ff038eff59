"""The console that reports are printed to."""

from __future__ import annotations

from typing import NoReturn, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gonogo.report import plain


class ReportConsole(Console):
    """A rich console that takes no text for markup and leaves a closed pipe to its caller."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich while it handles the error; rich itself would exit with 1, which means NO-GO here."""
        raise BrokenPipeError

    def show(self, table: Table) -> None:
        """Print a table, into a file or a pipe at a width that can be read there."""
        self.print(table, width=None if self.is_terminal else 160)

    def put(self, text: Text, *, cut: bool = False) -> None:
        """Print a text: as it is into a file or a pipe; on a terminal wrapped at its width, or cut there."""
        text = _printable(text)
        if not self.is_terminal:
            self.print(text, soft_wrap=True)
        elif cut:
            self.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self.print(text)


def _printable(text: Text) -> Text:
    """A text with its styles, and escapes for what can't be shown."""
    if all(map(_may_stay, text.plain)):
        return text
    shown = Text()
    for piece in text.divide(range(1, len(text))):
        shown.append(piece if _may_stay(piece.plain) else Text(plain.line(piece.plain), piece.spans[-1].style if piece.spans else ""))
    return shown


def _may_stay(character: str) -> bool:
    return character == "\n" or plain.is_plain(character)
