"""Ways to start a program: as a document shows it, or as it is chosen here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.project.config_groups import ConfigFolder
from gonogo.analysis.project.documented import Start
from gonogo.analysis.project.entries import Entry
from gonogo.compose.client import Composition
from gonogo.compose.command_line import CommandLine

MOST_NAME = 120  # signs of a run's name
# What Hydra says of an override itself, not of a config that it chooses.
_OF_OVERRIDE = re.compile(
    r"Key '[^']*' is not in struct|Could not append to config|Error parsing override|Ambiguous value for argument|Could not delete"
    r"|Multiple values for|mismatched input|no viable alternative|extraneous input|token recognition error|LexerNoViableAlt"
)
_OF_CHOICE = re.compile(r"Could not (?:find|load|override) '([^']+)'")


@dataclass(frozen=True)
class Way:
    """One way to start a program.

    Attributes:
        line: its command line.
        is_shown: a document or the caller says it; else it was chosen here.
        is_open: there may be other words on the command line.
        place: the document that shows it, empty if none does.
        path: the file of settings that it chooses, None if it chooses none.
        is_guessed: a document leaves a choice to the reader, and one option stands here: not every one must be meant.
    """

    line: CommandLine = field(default_factory=CommandLine)
    is_shown: bool = False
    is_open: bool = False
    place: str = ""
    path: str | None = None
    is_guessed: bool = False

    @classmethod
    def of(cls, start: Start, line: CommandLine) -> Way:
        """A start that a document shows, or one of the runs that its sweep names."""
        return cls(line, True, start.is_open, f"{start.path}:{start.number}")

    def choosing(self, group: str, option: str, path: str | None = None) -> Way:
        """The same, but with another option of a config group."""
        kept = [text for text in self.line.overrides if text.partition("=")[0].lstrip("+") != group]
        line = replace(self.line, overrides=(*kept, f"{group}={option}"), places=())
        return replace(self, line=line, is_shown=False, path=path if path is not None else self.path)

    def with_choices_only(self, folder: ConfigFolder) -> Way:
        """Return the same way without overrides of values.

        Such values may be for the option that is chosen along with them. A way that the caller asked for stays as it is.
        """
        if not self.place:
            return self
        kept = [text for text in self.line.overrides if folder.has_group(text.partition("=")[0].lstrip("+")) and not text.startswith("+")]
        return replace(self, line=replace(self.line, overrides=tuple(kept), places=()))

    def name(self, entry: Entry) -> str:
        """What the run is called."""
        name = " ".join([entry.name, *self.line.words(), *(["…"] if self.is_open else [])]).replace(FILLER, "…")
        return name if len(name) <= MOST_NAME or not self.place else f"{entry.name} as in {self.place}"

    def untold(self, named: ConfigFolder, folder: ConfigFolder) -> list[Way]:
        """Where a document leaves a choice to the reader, one way for each option.

        Args:
            named: the config folder, if only the primary config's name is not known.
            folder: the config folder.
        """
        if self.line.config_name is not None and FILLER in self.line.config_name:
            return [replace(self, line=replace(self.line, config_name=name), is_guessed=True) for name in named.names()]
        for text in self.line.overrides:
            key, _, value = text.partition("=")
            group = key.lstrip("+").partition("@")[0]
            if FILLER in value and folder.has_group(group):
                others = [other for other in self.line.overrides if other != text]
                chosen = [(*others, f"{key}={option}") for option in folder.options(group)]
                return [replace(self, line=replace(self.line, overrides=overrides), is_guessed=True) for overrides in chosen]
        return []

    def says_nothing(self, made: Composition | None) -> bool:
        """Return whether this is no way to start the program.

        It is out of date, or it is a guessed option that was not intended, as it does not compose.

        Args:
            made: what was composed, None if it did not come to that.
        """
        return self.is_out_of_date(made) or (self.is_guessed and (made is None or not made.ok))

    def is_out_of_date(self, made: Composition | None) -> bool:
        """Return whether Hydra rejects the words of a documented start themselves.

        They name a key, an option or a config that is not there.

        Args:
            made: what was composed, None if it did not come to that.
        """
        chosen = self.line.config_name is not None or self.line.config_path is not None
        if made is None:
            return chosen or self.line.config_dir is not None
        if made.ok or made.unsure:
            return False
        named = _OF_CHOICE.search(made.message)
        words = {text.lstrip("+~").replace("=", "/", 1) for text in self.line.overrides}
        words |= {text.partition("=")[0].lstrip("+~") for text in self.line.overrides}
        of_choice = named is not None and named[1] in words
        return bool(_OF_OVERRIDE.search(made.message)) or of_choice or ("rimary config" in made.message and chosen)
