"""What the caller lets pass, as data: a policy file's content, and a baseline's."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gonogo.model.finding import Severity
from gonogo.model.options import AiOptions

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
#: Where the documentation is published: nothing but an address of the web, which reports then link to.
Url = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://[A-Za-z0-9._~:/@%+-]{1,500}$")]


def excluding(path: str, patterns: Iterable[str]) -> str | None:
    """Return the first of the patterns that a file, or a folder around it, matches; None if none does.

    A pattern without a slash matches a name at any depth, one with a slash a path from the experiment's folder.
    """
    parts = path.split("/")
    wholes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for pattern in patterns:
        meant = posixpath.normpath(pattern)
        if any(fnmatchcase(candidate, meant) for candidate in (wholes if "/" in meant else parts)):
            return pattern
    return None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ignore(_Part):
    """Findings to ignore, for a reason.

    They are of these rules (ids, families or slugs), in files that match the path.
    """

    rules: list[Text] = Field(min_length=1)
    reason: Text
    path: Text | None = None


class Policy(_Part):
    """The content of a policy file, or of `[tool.gonogo]`.

    Attributes:
        exclude: files and folders whose findings don't count, and whose programs are left out.
        docs_url: where the site of gonogo's documentation is, `docs-url` in the file.
        where: the file it comes from.
    """

    model_config = ConfigDict(populate_by_name=True)

    contract: Text | None = None
    select: list[Text] = []
    exclude: list[Text] = []
    severity: dict[str, Severity] = {}
    ignore: list[Ignore] = []
    ai: AiOptions | None = None
    docs_url: Url | None = Field(default=None, alias="docs-url")
    where: str = ""


class BaselineEntry(_Part):
    """One finding that was there before; only the fingerprint is compared, the rest is for people."""

    fingerprint: Text
    rule: str
    path: str
    message: str = ""


class Baseline(_Part):
    """Findings that are known and don't block: one entry excuses one finding."""

    schema_version: int = Field(default=1, ge=1, le=1)
    findings: list[BaselineEntry]
    where: str = ""
