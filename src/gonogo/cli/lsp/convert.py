"""From findings and places to what the Language Server Protocol has for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lsprotocol import types
from pygls.workspace import PositionCodec

from gonogo.documents.lines import split_lines
from gonogo.model.finding import Finding, Fix, Location, Severity
from gonogo.model.verdict import page_of

SOURCE = "gonogo"
UNREAD = frozenset({"HYD105"})  # rules that speak of keys that nothing reads: editors show these keys greyed
SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
MOST_RUNS = 4  # named in a message

#: Gives the URI of a file by its path in the experiment.
Uris = Callable[[str], str]
#: Gives the text that a place is in.
Texts = Callable[[Location], str]


class Converter:
    """Converts for one experiment.

    Args:
        codec: of the positions that the client counts.
        uri: see `Uris`.
        text: see `Texts`.
        docs_url: where the rules' pages are published, empty if that is not known.
    """

    def __init__(self, codec: PositionCodec, uri: Uris, text: Texts, docs_url: str = "") -> None:
        self._docs_url = docs_url
        self._codec = codec
        self.uri = uri
        self._text = text
        self._lines: dict[str, list[str]] = {}

    def lines(self, place: Location) -> list[str]:
        """The lines of what a place is in."""
        if place.source not in self._lines:
            self._lines[place.source] = split_lines(self._text(place))
        return self._lines[place.source]

    def diagnostic(self, finding: Finding) -> types.Diagnostic:
        """A finding as the editor shows it."""
        place = finding.location
        runs = f" (runs: {', '.join(finding.runs[:MOST_RUNS])}{', …' if len(finding.runs) > MOST_RUNS else ''})" if finding.runs else ""
        cell = f"Cell {place.cell}, line {place.line}: " if place.cell is not None else ""
        return types.Diagnostic(
            range=self.range(place),
            message=f"{cell}{finding.message}{runs}\n{finding.action}".strip(),
            severity=SEVERITIES[finding.severity],
            code=finding.rule,
            code_description=types.CodeDescription(href=url) if (url := page_of(self._docs_url, finding.rule)) else None,
            source=SOURCE,
            tags=[types.DiagnosticTag.Unnecessary] if finding.rule in UNREAD else None,
            related_information=[
                types.DiagnosticRelatedInformation(location=self.location(other.location), message=other.label) for other in finding.related
            ],
            data=finding.fingerprint,
        )

    def location(self, place: Location) -> types.Location:
        """A place with the file's URI."""
        return types.Location(uri=self.uri(place.path), range=self.range(place))

    def action(self, fix: Fix, diagnostics: list[types.Diagnostic]) -> types.CodeAction:
        """The edits of a fix, which removes what some diagnostics say."""
        edits: dict[str, list[types.TextEdit]] = {}
        for change in dict.fromkeys(fix.changes):
            edit = types.TextEdit(range=self.range(change.location), new_text=change.text)
            edits.setdefault(self.uri(change.location.path), []).append(edit)
        return types.CodeAction(
            title=f"gonogo: {fix.what}{'' if fix.is_safe else ' (may change what the code does)'}",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=diagnostics,
            is_preferred=fix.is_safe,
            edit=types.WorkspaceEdit(changes=edits),
        )

    def range(self, place: Location) -> types.Range:
        """A place as a range; the first character of a file for the whole of it, and for a cell of a notebook."""
        lines = self.lines(place) if place.line is not None and place.cell is None else []
        if place.line is None or not lines:
            return types.Range(start=types.Position(0, 0), end=types.Position(0, 0))
        line = min(place.line, len(lines))
        end_line = min(max(place.end_line or line, line), len(lines) + 1)
        text = lines[line - 1]
        column = place.column if place.column is not None else len(text) - len(text.lstrip()) + 1
        end_text = lines[end_line - 1] if end_line <= len(lines) else ""
        end_column = place.end_column if place.end_column is not None else len(end_text) + 1
        start = (line, min(column, len(text) + 1))
        end = max(start, (end_line, min(end_column, len(end_text) + 1)))
        return types.Range(start=self._position(lines, *start), end=self._position(lines, *end))

    def place_at(self, lines: Sequence[str], position: types.Position) -> tuple[int, int]:
        """The line and the column, from 1, that a client means."""
        found = self._codec.position_from_client_units(lines, position)
        return found.line + 1, found.character + 1

    def _position(self, lines: list[str], line: int, column: int) -> types.Position:
        text = lines[line - 1] if line <= len(lines) else ""
        return types.Position(line - 1, self._codec.client_num_units(text[: column - 1]))


def holds(place: Location, at: tuple[int, int]) -> bool:
    """Return whether a place contains a line and column.

    The end belongs to it, since a cursor right after a word counts as on the word.
    """
    if place.line is None or place.column is None:
        return False
    end = (place.end_line or place.line, place.end_column or place.column)
    return (place.line, place.column) <= at <= end
