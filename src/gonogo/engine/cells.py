"""Places in notebooks, said by cell: rules see a notebook as one text, readers see its cells."""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.documents.notebook import Notebook
from gonogo.model.finding import Finding, Location
from gonogo.model.verdict import Verdict


def by_cell(verdict: Verdict, notebooks: dict[str, Notebook]) -> None:
    """Give every place in a notebook its cell, and the line within it.

    Args:
        verdict: changed.
        notebooks: by path.
    """
    if notebooks:
        verdict.findings = [_finding(entry, notebooks) for entry in verdict.findings]
        verdict.suppressed = [entry.model_copy(update={"finding": _finding(entry.finding, notebooks)}) for entry in verdict.suppressed]


def cell_texts(places: Iterable[Location], notebooks: dict[str, Notebook]) -> dict[str, str]:
    """The texts of the cells that places are in, by what `Location.source` calls them."""
    found = {}
    for place in places:
        notebook = notebooks.get(place.path)
        if notebook is not None and place.cell is not None:
            found[place.source] = next(cell.source for cell in notebook.cells if cell.number == place.cell)
    return found


def _finding(finding: Finding, notebooks: dict[str, Notebook]) -> Finding:
    places = (finding.location, *(other.location for other in finding.related))
    if not any(place.path in notebooks for place in places):
        return finding
    related = [other.model_copy(update={"location": _place(other.location, notebooks)}) for other in finding.related]
    # The edits count lines of the whole text, and the file is JSON: nobody can make them.
    return finding.model_copy(update={"location": _place(finding.location, notebooks), "related": related, "fix": None})


def _place(place: Location, notebooks: dict[str, Notebook]) -> Location:
    notebook = notebooks.get(place.path)
    cell = notebook.cell_at(place.line) if notebook is not None and place.line is not None else None
    if cell is None or place.line is None:
        return place
    before = cell.first - 1
    end = None if place.end_line is None else max(place.line, min(place.end_line, before + len(cell.source.split("\n")))) - before
    return place.model_copy(update={"cell": cell.number, "line": place.line - before, "end_line": end})
