"""What a base program, a planted mistake and a right variant are."""

from __future__ import annotations

from dataclasses import dataclass, field

MARK = "  # planted"


@dataclass(frozen=True)
class Section:
    """A step of a base program: straight-line code, the names that it takes and the names that it gives."""

    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    code: str


@dataclass(frozen=True)
class Base:
    """A program that is right.

    Attributes:
        imports: its imports.
        definitions: classes and functions that every shape has at the top level.
        sections: its steps, in order.
        whole: the text of a program that has one shape only, such as one for a framework.
        shape: the name of that shape.
    """

    name: str
    imports: str = ""
    definitions: str = ""
    sections: tuple[Section, ...] = ()
    whole: str = ""
    shape: str = ""


@dataclass(frozen=True)
class Edit:
    """Text that must stand exactly once in a base, and what replaces it; a line that ends with the mark is where the mistake is."""

    old: str
    new: str


@dataclass(frozen=True)
class Plant:
    """A planted mistake.

    Attributes:
        rule: that should find it.
        name: which mistake.
        base: the name of the base.
        edits: that plant it; an edit may change imports, definitions or a section.
    """

    rule: str
    name: str
    base: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Variant:
    """A strange but right change of a base."""

    name: str
    base: str
    edits: tuple[Edit, ...] = field(default=())


def edited(base: Base, edits: tuple[Edit, ...]) -> Base:
    """A base with changes.

    Raises:
        ValueError: a text that does not stand there exactly once.
    """
    parts = [base.imports, base.definitions, *(section.code for section in base.sections), base.whole]
    for edit in edits:
        places = [place for place, text in enumerate(parts) if edit.old in text]
        if len(places) != 1 or parts[places[0]].count(edit.old) != 1:
            raise ValueError(
                f"{base.name}: the text of an edit stands there {sum(text.count(edit.old) for text in parts)} times: {edit.old!r}"
            )
        parts[places[0]] = parts[places[0]].replace(edit.old, edit.new)
    imports, definitions, *codes, whole = parts
    sections = tuple(Section(section.name, section.takes, section.gives, code) for section, code in zip(base.sections, codes, strict=True))
    return Base(base.name, imports, definitions, sections, whole, base.shape)
