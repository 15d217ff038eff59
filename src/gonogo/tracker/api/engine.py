"""Runs GraphQL operations against the schema."""

from __future__ import annotations

import inspect
import logging
import re
import sqlite3
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_named_type,
    get_nullable_type,
    parse,
    type_from_ast,
    validate,
)

from gonogo.tracker.api import cost
from gonogo.tracker.api.artifact import ArtifactNode, MembershipNode
from gonogo.tracker.api.collection import CollectionNode
from gonogo.tracker.api.context import Context
from gonogo.tracker.api.file import FileNode
from gonogo.tracker.api.mutation import Mutation
from gonogo.tracker.api.query import ProjectNode, Query
from gonogo.tracker.api.run import RunNode
from gonogo.tracker.api.sweep import AgentNode, SweepNode
from gonogo.tracker.store.runs import RefusedError

log = logging.getLogger("gonogo.tracker")
LIMIT_OF_TOKENS = 20_000
# What answers for a row of the database, by the type that the schema gives the field: nodes lead to each other as rows, and so need not
# know each other's classes.
NODES: dict[str, Callable[[Context, sqlite3.Row], Any]] = {
    "Agent": AgentNode,
    "Artifact": ArtifactNode,
    "ArtifactCollection": CollectionNode,
    "ArtifactCollectionMembership": MembershipNode,
    "ArtifactSequence": CollectionNode,
    "File": FileNode,
    "Project": ProjectNode,
    "Run": RunNode,
    "Sweep": SweepNode,
}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def run(context: Context, text: str, variables: dict[str, Any] | None, operation: str | None) -> tuple[int, dict[str, Any]]:
    """Answer one operation.

    What the schema doesn't know is never answered with nulls, which crash clients (wandb-core dereferences them), but with an error that
    names it, and status 400, which clients do not repeat.

    Returns:
        The HTTP status and the answer.
    """
    data, errors = _execute(context, _prepared(text), variables or {}, operation)
    if not errors:
        return 200, {"data": data}
    for error in errors:
        if not isinstance(error.original_error, RefusedError | GraphQLError | None):
            raise error.original_error
        log.warning("not answered: %s: %s", _name(text, operation), error.message)
    if context.is_older_reader:  # it shows what is wrong only if the status is good
        return 200, {"data": None, "errors": [{"message": error.message, "path": error.path} for error in errors]}
    gone = any(isinstance(error.original_error, RefusedError) and error.original_error.gone for error in errors)
    return 404 if gone else 400, {"errors": [{"message": error.message, "path": error.path} for error in errors]}


def _execute(
    context: Context, document: DocumentNode | list[GraphQLError], variables: dict[str, Any], operation: str | None
) -> tuple[dict[str, Any] | None, list[GraphQLError]]:
    if not isinstance(document, DocumentNode):
        return None, document
    try:
        cost.check(document, variables)
    except RefusedError as error:
        return None, [GraphQLError(str(error))]
    result = execute_sync(
        _schema(),
        document,
        root_value={"query": Query(context), "mutation": Mutation(context)},
        variable_values=_known(document, variables),
        operation_name=operation or None,
        context_value=context,
        field_resolver=_resolve,
    )
    return result.data, result.errors or []


def _known(document: DocumentNode, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the variables without unknown inputs that are empty.

    Newer clients add such inputs. Only an input that has a value can be missed.
    """
    types = {
        definition.variable.name.value: type_from_ast(_schema(), definition.type)
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for definition in operation.variable_definitions or ()
    }
    return {name: _without_unknown_nulls(types.get(name), value) for name, value in variables.items()}


def _without_unknown_nulls(of: Any, value: Any) -> Any:
    of = get_nullable_type(of)
    if isinstance(of, GraphQLList) and isinstance(value, list):
        return [_without_unknown_nulls(of.of_type, item) for item in value]
    if isinstance(of, GraphQLInputObjectType) and isinstance(value, dict):
        known = {name: item for name, item in value.items() if item is not None or name in of.fields}
        return {name: _without_unknown_nulls(of.fields[name].type if name in of.fields else None, item) for name, item in known.items()}
    return value


@lru_cache(maxsize=256)  # clients send a few dozen texts again and again
def _prepared(text: str) -> DocumentNode | list[GraphQLError]:
    try:
        document = parse(text, max_tokens=LIMIT_OF_TOKENS, no_location=True)
    except GraphQLError as error:
        return [error]
    return [GraphQLError(f"not supported by gonogo's tracker: {error.message}") for error in validate(_schema(), document)] or document


@cache
def _schema() -> GraphQLSchema:
    schema = build_schema(files(__package__).joinpath("schema.graphql").read_text(), assume_valid_sdl=True)
    collection = schema.type_map["ArtifactCollection"]
    assert isinstance(collection, GraphQLAbstractType)
    collection.resolve_type = lambda node, *_: node["type_name"] if isinstance(node, dict) else node.type_name
    return schema


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Find a field of a node under its name in Python.

    It is an entry of a dict, an attribute, or a method, which is called.

    A row of the database becomes the node that its type in the schema has.
    """
    if info.path.prev is None:
        source = source[info.operation.operation.value]
    name = _snake(info.field_name)
    value = source.get(name) if isinstance(source, dict) else getattr(source, name)
    if callable(value):
        value = value(**{_snake(key): argument for key, argument in arguments.items() if _snake(key) in _parameters(value.__func__)})
    return NODES[get_named_type(info.return_type).name](info.context, value) if isinstance(value, sqlite3.Row) else value


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


@cache
def _snake(name: str) -> str:
    return _WORD.sub("_", name).lower()


def _name(text: str, operation: str | None) -> str:
    found = re.search(r"\b(?:query|mutation)\s+(\w+)", text)
    return operation or (found[1] if found else "an operation without a name")
