"""The parts of the tracker's API by themselves: filters, ids, the GraphQL engine, console lines, credentials."""

from __future__ import annotations

import base64
import json
import math
import operator
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument
from hypothesis import given
from hypothesis import strategies as st

from gonogo.model.errors import UsageError
from gonogo.tracker import filters
from gonogo.tracker.api import engine, ids
from gonogo.tracker.api.context import Context, Listings
from gonogo.tracker.console import read_line
from gonogo.tracker.credentials import Credentials
from gonogo.tracker.filters import Document, order_key, parse
from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store
from gonogo.tracker.store.artifacts import Draft
from gonogo.tracker.store.history import Chunk, evenly, finite
from gonogo.tracker.store.runs import RefusedError

# Filters

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, min_value=-3, max_value=3)
    | st.sampled_from(["", "a", "b", "ab"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y.z"]), inner, max_size=2), max_leaves=4
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
operators = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$not",
    "$exists",
    "$regex",
    "$options",
    "$and",
    "$or",
    "$nor",
    "$near",
]
fields = ["config.x", "config.x.y", "summary_metrics.x", "tags", "state", "name", "display_name", "createdAt", "group", "nothing", "config"]
filter_like = st.recursive(
    scalars | st.lists(scalars, max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*operators, *fields]), inner, max_size=2),
    max_leaves=6,
)


def document(value: Any = filters.MISSING, **columns: Any) -> Document:
    """A run whose config has a value as `x`, unless it lacks one."""
    config = {} if value is filters.MISSING else {"x": {"value": value}}
    row = {"config": json.dumps(config), "summary": "{}", "tags": "[]", "name": "n", "display_name": None, "run_group": None} | columns
    return Document({"created_at": 0.0, "heartbeat_at": 0.0, **row}, "finished", "local")  # type: ignore[arg-type]


def holds(condition: Any, *documents: Document) -> list[bool]:
    """Whether runs fit a condition on `config.x`."""
    test, _ = parse(json.dumps({"config.x": condition}))
    return [test(one) for one in documents]


@given(filter_like, values)
def test_any_filter_is_answered_or_refused_in_words(asked: Any, value: Any) -> None:
    try:
        test, names = parse(json.dumps(asked))
    except RefusedError as error:
        assert str(error).startswith("filter: ")
    else:
        assert test(document(value)) in (True, False)
        filters.columns_of(names)


@given(st.text(max_size=30))
def test_a_filter_that_is_no_json_is_refused_in_words(text: str) -> None:
    try:
        parse(text)
    except RefusedError as error:
        assert str(error).startswith("filter: ")


@given(st.lists(values, max_size=3), values)
def test_in_is_any_equal(choices: list[Any], value: Any) -> None:
    run = document(value)
    assert holds({"$in": choices}, run) == [any(holds({"$eq": choice}, run)[0] for choice in choices)]
    assert holds({"$nin": choices}, run) != holds({"$in": choices}, run)


@given(scalars, values)
def test_not_and_ne_turn_the_answer_around(operand: Any, value: Any) -> None:
    run = document(value)
    assert holds({"$ne": operand}, run) != holds({"$eq": operand}, run)
    assert holds({"$not": {"$eq": operand}}, run) == holds({"$ne": operand}, run)
    assert holds(operand, run) == holds({"$eq": operand}, run)


@given(st.integers(-3, 3) | st.floats(-3, 3), st.integers(-3, 3) | st.floats(-3, 3))
def test_numbers_compare_as_numbers(one: float, other: float) -> None:
    signs: dict[str, Callable[[Any, Any], bool]] = {
        "$gt": operator.gt,
        "$gte": operator.ge,
        "$lt": operator.lt,
        "$lte": operator.le,
        "$eq": operator.eq,
    }
    for name, compare in signs.items():
        assert holds({name: other}, document(one)) == [compare(one, other)]


@given(st.lists(st.dictionaries(st.sampled_from(["config.x", "name"]), scalars, max_size=2), min_size=1, max_size=3), values)
def test_and_or_nor_join_filters(parts: list[dict[str, Any]], value: Any) -> None:
    run = document(value)
    each = [parse(json.dumps(part))[0](run) for part in parts]
    found = [parse(json.dumps({name: parts}))[0](run) for name in ("$and", "$or", "$nor")]
    assert found == [all(each), any(each), not any(each)]


def test_a_truth_value_is_no_number() -> None:
    runs = [document(True), document(1), document(False), document(0)]
    assert holds(1, *runs) == [False, True, False, False]
    assert holds({"$gt": -1}, *runs) == [False, True, False, True]


def test_what_is_missing() -> None:
    runs = [document(), document(None), document(1)]
    assert holds(None, *runs) == [True, True, False]
    assert holds({"$exists": True}, *runs) == [False, True, True]
    assert holds({"$exists": False}, *runs) == [True, False, False]
    assert holds({"$ne": 1}, *runs) == [True, True, False]
    assert holds({"$gt": 0}, *runs) == [False, False, True]
    assert holds({"$nin": [1]}, *runs) == [True, True, False]


def test_a_run_without_a_title_is_found_by_what_is_shown_as_its_title() -> None:
    test, names = parse('{"display_name": "n"}')
    assert test(document())
    assert not test(document(display_name="other"))
    assert filters.columns_of(names) == {"display_name", "name"}


def test_a_condition_on_a_list_holds_for_an_item_of_it() -> None:
    test, _ = parse('{"tags": {"$regex": "^b"}}')
    assert test(document(tags='["a", "best"]'))
    assert not test(document(tags='["a"]'))
    assert parse('{"tags": "a"}')[0](document(tags='["b", "a"]'))
    assert parse('{"tags": {"$in": ["a", "c"]}}')[0](document(tags='["b", "a"]'))
    assert not parse('{"tags": {"$nin": ["a", "c"]}}')[0](document(tags='["b", "a"]'))


def test_entries_of_configs_are_found_with_and_without_value() -> None:
    run = document({"lr": {"start": 0.1}, "value": 3, "a.b": 4})
    for name in ("config.x.lr.start", "config.x.value.lr.start", "config.x.a.b"):
        test, _ = parse(json.dumps({name: {"$exists": True}}))
        assert test(run), name


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ('{"config.x": {"$regex": "("}}', "not a regular expression"),
        ('{"config.x": {"$regex": "a", "$options": "q"}}', "letters i, m, s and x"),
        ('{"config.x": {"$regex": 1}}', "takes a text"),
        ('{"config.x": {"$where": "1"}}', "$where is not supported"),
        ('{"$where": "1"}', "$where is not supported"),
        ('{"shoe_size": 1}', "runs have no field 'shoe_size'"),
        ('{"$and": {}}', "takes a list"),
        ('{"config.x": {"$in": 1}}', "takes a list"),
        ("[1]", "an object was expected"),
        ("{", "not JSON"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "filter: "),
        ('{"$and":[' * 3000 + "]}" * 3000, "filter: "),
    ],
)
def test_filters_that_are_refused(asked: str, says: str) -> None:
    with pytest.raises(RefusedError, match="filter: ") as caught:
        parse(asked)
    assert says in str(caught.value)


def test_regular_expressions_search_and_take_options() -> None:
    assert holds({"$regex": "ES", "$options": "i"}, document("resnet"), document("vgg"), document(3)) == [True, False, False]
    assert holds({"$regex": "^res", "$ne": "resnet"}, document("resnet"), document("resnext")) == [False, True]


@given(st.lists(st.just(filters.MISSING) | values, max_size=6), st.booleans())
def test_every_order_is_one_with_what_is_missing_last(found: list[Any], down: bool) -> None:
    key, reverse = order_key(("-" if down else "+") + "config.x")
    assert reverse == down
    runs = sorted((document(value) for value in found), key=key, reverse=reverse)
    numbers = [value for run in runs if isinstance(value := run.value("config", "x"), int | float)]
    assert numbers == sorted(numbers, reverse=down)
    lacking = [run.value("config", "x") is filters.MISSING for run in runs]
    ranked = [isinstance(run.value("config", "x"), int | float | str) for run in runs]
    assert ranked == sorted(ranked, reverse=True), lacking


def test_times_are_ordered_within_a_second() -> None:
    key, reverse = order_key("-created_at")
    runs = sorted((document(created_at=time) for time in (5.1, 5.3, 5.2)), key=key, reverse=reverse)
    assert [run.row["created_at"] for run in runs] == [5.3, 5.2, 5.1]


# Samples and numbers


@given(st.integers(0, 50), st.integers(-2, 60))
def test_samples_are_spread_evenly_and_hold_both_ends(size: int, count: int) -> None:
    items = [*range(size)]
    chosen = [*evenly(items, count)]
    assert len(chosen) == max(0, min(size, count))
    assert chosen == sorted(set(chosen))
    if count > 1 and items:
        assert (chosen[0], chosen[-1]) == (items[0], items[-1])
        gaps = [after - before for before, after in pairwise(chosen)]
        assert not gaps or max(gaps) - min(gaps) <= 1


@given(json_values)
def test_what_is_sent_as_json_proper_has_only_finite_numbers(value: Any) -> None:
    json.dumps(finite(value), allow_nan=False)


def test_what_is_no_number_is_a_text_in_json_proper() -> None:
    assert finite({"a": [math.nan, -math.inf], "b": math.inf, "c": 1.5}) == {"a": ["NaN", "-Infinity"], "b": "Infinity", "c": 1.5}


# Ids


@given(st.sampled_from(["Run", "Artifact", "File"]), st.integers(0, 1 << 62))
def test_ids_are_read_as_they_were_made(kind: str, number: int) -> None:
    assert ids.read(kind, ids.make(kind, number)) == number
    with pytest.raises(RefusedError, match="is not the id of a Project"):
        ids.read("Project", ids.make(kind, number))


@given(st.text(max_size=20) | st.binary(max_size=12).map(lambda raw: base64.b64encode(raw).decode()))
def test_other_ids_are_refused_in_words(text: str) -> None:
    try:
        assert isinstance(ids.read("Run", text), int)
    except RefusedError as error:
        assert "is not the id of a Run" in str(error)


# The GraphQL engine


class _Links:
    def upload(self, file: int) -> str:
        return f"http://here/put/{file}"

    def download(self, file: int) -> str:
        return f"http://here/get/{file}"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A store with one of everything."""
    settings = Settings(tmp_path / "tracker")
    store = Store(settings)
    project = store.runs.make_project("lab", "p")["id"]
    run, _ = store.runs.upsert(project, "r", {"config": '{"lr": {"value": 1}}', "tags": ["a"], "summary": '{"x": 1}'})
    chunk = Chunk(
        rows=['{"_step":0,"x":1}', '{"_step":1,"x":NaN}'],
        lines={"output.log": (0, ["2026-01-01T00:00:00.5 hello"]), "wandb-events.jsonl": (0, ['{"cpu":1}'])},
    )
    store.history.store(run, chunk)
    file = store.files.expect(run=run, name="a.txt", md5=None)
    artifact = store.artifacts.create(project, Draft("model", "weights", "d", run=run, client="c1"))["id"]
    manifest = store.artifacts.make_manifest(artifact, "FULL", "d")
    text = store.files.expect(manifest=manifest, name="wandb_manifest.json", md5=None)
    for number, content in ((file, b"a"), (text, b'{"contents": {}}')):
        (settings.folder / f"files/{number}").write_bytes(content)
        with store.database.write() as connection:
            connection.execute(
                "UPDATE file SET content = ?, size = ?, md5 = 'm', updated_at = 0 WHERE id = ?", (str(number), len(content), number)
            )
    store.artifacts.commit(artifact)
    store.artifacts.use(run, artifact)
    yield Context(store, settings, _Links(), Listings())
    store.close()


def ask(context: Context, text: str, variables: dict[str, Any] | None = None, name: str | None = None) -> tuple[int, Any]:
    """Run one operation: the status, and the data or the messages of the errors."""
    status, answer = engine.run(context, text, variables, name)
    assert ("data" in answer) == (status == 200)
    return status, answer["data"] if status == 200 else [error["message"] for error in answer["errors"]]


ARGUMENTS: dict[tuple[str, str], str] = {
    ("Project", "artifactType"): '(name: "model")',
    ("ArtifactType", "artifactCollection"): '(name: "weights")',
    ("Project", "artifactCollection"): '(name: "weights")',
    ("Project", "artifactCollectionMembership"): '(name: "weights:latest")',
    ("Project", "artifact"): '(name: "weights:v0")',
    ("Project", "run"): '(name: "r")',
    ("Project", "bucket"): '(name: "r")',
    ("Run", "sampledHistory"): '(specs: ["{\\"keys\\": [\\"x\\"]}"])',
    ("Run", "parquetHistory"): '(liveKeys: ["_step"])',
    ("Query", "artifact"): f'(id: "{ids.make("Artifact", 1)}")',
    ("Query", "artifactCollection"): f'(id: "{ids.make("ArtifactSequence", 1)}")',
    ("Query", "clientIDMapping"): '(clientID: "c1")',
    ("Query", "entity"): '(name: "lab")',
    ("Query", "project"): '(name: "p", entityName: "lab")',
    ("Query", "model"): '(name: "p", entityName: "lab")',
    ("Query", "models"): '(entityName: "lab")',
}


def selection(kind: Any, depth: int) -> str:
    """All fields of a type, and of their types, some levels down."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    if not isinstance(kind, GraphQLObjectType):  # the only interface
        return f"{{ ... on ArtifactSequence {selection(engine._schema().type_map['ArtifactSequence'], depth)} }}"
    found = []
    for name, field in kind.fields.items():
        arguments = ARGUMENTS.get((kind.name, name), "")
        if not arguments:
            for argument, of in field.args.items():
                if is_required_argument(of):
                    arguments = f'({argument}: "latest")' if argument == "aliasName" else arguments
        below = selection(field.type, depth - 1) if depth else ""
        if below or is_leaf_type(get_named_type(field.type)):
            found.append(f"{name}{arguments} {below}")
    return f"{{ {' '.join(found)} }}" if found else ""


@pytest.mark.parametrize("root", sorted(engine._schema().query_type.fields))  # type: ignore[union-attr]
def test_every_field_of_the_schema_has_an_answer(context: Context, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LIMIT_OF_TOKENS", 1_000_000)
    query = engine._schema().query_type
    assert query
    text = f"query All {{ {root}{ARGUMENTS.get(('Query', root), '')} {selection(query.fields[root].type, 4)} }}"
    status, answer = ask(context, text)
    assert status == 200, answer
    assert answer[root]


def test_every_mutation_of_the_schema_has_a_method() -> None:
    schema = engine._schema()
    assert schema.mutation_type
    for name, field in schema.mutation_type.fields.items():
        assert callable(getattr(engine.Mutation, engine._snake(name))), name
        assert isinstance(get_named_type(field.args["input"].type), GraphQLInputObjectType)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("query A { sweeps { id } }", "not supported by gonogo's tracker: Cannot query field 'sweeps' on type 'Query'."),
        ("mutation A { launchRocket(input: {}) { ok } }", "Cannot query field 'launchRocket' on type 'Mutation'."),
        ("query A { viewer { shoeSize } }", "Cannot query field 'shoeSize' on type 'User'."),
        ("query A { viewer { id }", "Syntax Error"),
        ("", "Syntax Error"),
        ("query A { " + "viewer { id } " * 10_000 + "}", "Document contains more than 20000 tokens"),
        ("subscription A { viewer { id } }", "subscription"),
        ("query A { artifact(id: 3) { id } }", "'3' is not the id of a Artifact"),
        ('query A { models(after: "x") { edges { cursor } } }', "cursor 'x': not one of this server's"),
    ],
)
def test_what_is_not_supported_is_an_error_that_names_it(context: Context, text: str, says: str) -> None:
    status, errors = ask(context, text)
    assert status == 400
    assert says in " ".join(errors)


def test_deep_nesting_is_an_error_or_an_answer(context: Context) -> None:
    depth = 400
    text = 'query A { project(name: "p", entityName: "lab") ' + '{ run(name: "r") { project ' * depth + "{ id }" + " } }" * depth + "}"
    status, _ = ask(context, text)
    assert status in (200, 400)


def test_introspection_answers(context: Context) -> None:
    status, answer = ask(context, 'query Introspect { __schema { queryType { fields { name } } } __type(name: "Run") { name } }')
    assert status == 200
    assert {"name": "viewer"} in answer["__schema"]["queryType"]["fields"]


def test_one_of_several_operations_is_chosen_by_its_name(context: Context) -> None:
    text = "query A { viewer { id } } query B { viewer { name } }"
    assert ask(context, text, name="B") == (200, {"viewer": {"name": "local"}})
    assert ask(context, text)[0] == 400
    assert ask(context, text, name="C")[0] == 400
    assert ask(context, "query A { viewer { name } }", name="") == (200, {"viewer": {"name": "local"}})


UPSERT = "mutation U($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted bucket { name notes } } }"


def test_what_a_newer_client_added_to_an_input_is_left_out_while_empty(context: Context) -> None:
    sent = {"entityName": "lab", "modelName": "p", "name": "new", "notes": "n", "addedIn2030": None}
    assert ask(context, UPSERT, {"input": sent}) == (200, {"upsertBucket": {"inserted": True, "bucket": {"name": "new", "notes": "n"}}})
    status, errors = ask(context, UPSERT, {"input": sent | {"addedIn2030": 1}})
    assert status == 400
    assert "addedIn2030" in errors[0]


def test_variables_of_the_wrong_kind_are_refused(context: Context) -> None:
    for variables in ({}, {"input": 1}, {"input": []}, {"input": {"name": ["a"]}}):
        assert ask(context, UPSERT, variables)[0] == 400


@pytest.mark.parametrize("name", ["", "x" * 513])
def test_names_of_runs_have_a_length(context: Context, name: str) -> None:
    status, errors = ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": name}})
    assert (status, errors) == (400, [f"run: an id has 1 to 512 characters, this one has {len(name)}"])


@pytest.mark.parametrize(
    ("noted", "says"),
    [({"branch_point": {"run_id": "r", "step": 1}, "t": {"3": [71]}}, "fork_from"), ({"t": {"3": [14, 67]}}, "mode='shared'")],
)
def test_modes_that_leave_work_to_the_server_are_refused(context: Context, noted: dict[str, Any], says: str) -> None:
    config = json.dumps({"_wandb": {"value": noted}})
    status, errors = ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": "new", "config": config}})
    assert status == 400
    assert f"{says} is not supported here" in errors[0]


@pytest.mark.parametrize("name", ["100%", "%41", "a%2Fb", ".", ".."])
def test_ids_that_the_client_would_log_to_another_address_are_refused(context: Context, name: str) -> None:
    """It would wait without end for an answer when the run finishes."""
    status, errors = ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": name}})
    assert status == 400
    assert f"can't log under the id {name!r}" in errors[0]


def test_an_upsert_changes_only_what_it_names(context: Context) -> None:
    ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": "r", "notes": "first", "config": '{"a": {"value": 1}}'}})
    ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": "r", "notes": None, "tags": ["t"]}})
    _, answer = ask(context, 'query R { project(name: "p", entityName: "lab") { run(name: "r") { notes tags config } } }')
    assert answer["project"]["run"] == {"notes": "first", "tags": ["t"], "config": '{"a": {"value": 1}}'}


LIST = 'query L($filters: JSONString, $after: String, $order: String) { project(name: "p", entityName: "lab") { runCount(filters: $filters) runs(filters: $filters, first: 2, after: $after, order: $order) { edges { node { name } cursor } pageInfo { endCursor hasNextPage } } } }'


def test_runs_come_page_by_page_though_others_change_meanwhile(context: Context) -> None:
    for number in range(4):
        ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": f"r{number}"}})
    names: list[str] = []
    after = None
    while True:
        project = ask(context, LIST, {"after": after, "order": "-name"})[1]["project"]
        names += [edge["node"]["name"] for edge in project["runs"]["edges"]]
        after = project["runs"]["pageInfo"]["endCursor"]
        if not project["runs"]["pageInfo"]["hasNextPage"]:
            break
        ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": f"z{len(names)}"}})
    assert names == ["r3", "r2", "r1", "r0", "r"]


def test_times_are_written_as_the_client_reads_them() -> None:
    assert filters.timestamp(0.9) == "1970-01-01T00:00:00Z"


# Console lines


@pytest.mark.parametrize(
    ("text", "line", "level", "timestamp"),
    [
        ("2026-01-02T03:04:05.678901 hello", "hello", "info", "2026-01-02T03:04:05.678901Z"),
        ("ERROR 2026-01-02T03:04:05.678901 oh no", "oh no", "error", "2026-01-02T03:04:05.678901Z"),
        ("2026-01-02T03:04:05.678901 ", "", "info", "2026-01-02T03:04:05.678901Z"),
        ("2026-01-02T03:04:05.678901 two\nlines", "two\nlines", "info", "2026-01-02T03:04:05.678901Z"),
        ('{"ts":"2026-01-02T03:04:05","content":"json","level":"error","label":"rank 0"}', "json", "error", "2026-01-02T03:04:05"),
        ('{"loss": 1}', '{"loss": 1}', None, None),
        ("{not json", "{not json", None, None),
        ("plain", "plain", None, None),
        ("", "", None, None),
        ("ERROR plain", "ERROR plain", None, None),
    ],
)
def test_console_lines(text: str, line: str, level: str | None, timestamp: str | None) -> None:
    found = read_line(text)
    assert (found["line"], found["level"], found["timestamp"]) == (line, level, timestamp)


@given(st.text(max_size=60) | st.text(max_size=20).map(lambda text: f"2026-01-02T03:04:05.678901 {text}") | json_values.map(json.dumps))
def test_any_console_line_is_a_text(text: str) -> None:
    found = read_line(text)
    assert isinstance(found["line"], str)
    assert all(value is None or isinstance(value, str) for value in found.values())


# Credentials


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    """A key and what is derived from it."""
    return Credentials(tmp_path)


def basic(user: str, key: str) -> str:
    """An `Authorization` header."""
    return f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"


def test_the_key_is_made_once_and_only_its_owner_may_read_it(credentials: Credentials, tmp_path: Path) -> None:
    assert Credentials(tmp_path).key == credentials.key
    assert len(credentials.key) >= 40
    assert credentials.path.stat().st_mode & 0o777 == 0o600


def test_who_knows_the_key_is_let_in(credentials: Credentials) -> None:
    key = credentials.key
    for header in (basic("api", key), basic("", key), f"Bearer {key}", f"bearer  {key}", basic("api", key).replace("Basic", "BASIC")):
        assert credentials.fits_header(header), header
    for header in (
        None,
        "",
        "Basic",
        "Basic !!",
        basic("api", key[:-1]),
        basic("api", f"{key}x"),
        f"Bearer {key}x",
        f"Digest {key}",
        key,
        "Bearer é",
    ):
        assert not credentials.fits_header(header), header


@given(header=st.text(max_size=40) | st.binary(max_size=20).map(lambda raw: f"Basic {base64.b64encode(raw).decode()}"))
def test_any_other_header_is_turned_away(header: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not Credentials(tmp_path_factory.getbasetemp()).fits_header(header)


def test_a_link_is_good_for_one_file_one_method_and_a_while(
    credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = credentials.sign("GET", 7, 60)
    assert credentials.signed(token, "GET", 60) == 7
    assert credentials.signed(token, "PUT", 60) is None
    assert credentials.signed(f"{token}x", "GET", 60) is None
    assert credentials.signed(token.replace(token[3], "A" if token[3] != "A" else "B", 1), "GET", 60) is None
    assert credentials.signed("", "GET", 60) is None
    assert credentials.signed(credentials.session(), "GET", 60) is None
    (tmp_path / "other").mkdir()
    assert Credentials(tmp_path / "other").signed(token, "GET", 60) is None
    wall, steady = time.time(), time.monotonic()
    restarted = Credentials(tmp_path)
    assert restarted.signed(token, "GET", 60) == 7
    for by in (62, -3600):  # somebody sets the clock: only a server that was started again goes by it
        monkeypatch.setattr(time, "time", lambda by=by: wall + by)
        assert credentials.signed(token, "GET", 60) == 7
        assert restarted.signed(token, "GET", 60) is None
    monkeypatch.setattr(time, "monotonic", lambda: steady + 62)
    assert credentials.signed(token, "GET", 60) is None


def test_a_session_is_no_link_and_no_key(credentials: Credentials) -> None:
    assert credentials.fits_session(credentials.session())
    for token in (None, "", credentials.sign("GET", 1, 60), credentials.key, f"{credentials.session()}x"):
        assert not credentials.fits_session(token)


@pytest.mark.parametrize(
    ("content", "mode", "says"), [("short", 0o600, "at least 40"), ("é" * 40, 0o600, "ASCII"), ("k" * 40, 0o644, "chmod 600")]
)
def test_keys_that_are_refused(tmp_path: Path, content: str, mode: int, says: str) -> None:
    path = tmp_path / "api_key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(UsageError, match=says):
        Credentials(tmp_path)
