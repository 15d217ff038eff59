"""`gonogo schema`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Document(StrEnum):
    """What has a schema."""

    VERDICT = "verdict"
    BUNDLE = "bundle"


def command(
    context: typer.Context, document: Annotated[Document, typer.Argument(help="Whose schema is wanted.")] = Document.VERDICT
) -> None:
    """Print the JSON schema of a verdict, or of a bundle."""

    def act() -> int:
        from gonogo.model.bundle import schema
        from gonogo.report import plain
        from gonogo.report.json import print_schema

        if document is Document.VERDICT:
            return print_schema()
        print(plain.to_json(schema(), indent=2))
        return 0

    context.obj.action = act
