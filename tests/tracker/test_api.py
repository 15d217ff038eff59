"""The parts of the tracker's API by themselves: filters, ids, the GraphQL engine, console lines, credentials."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type, is_leaf_type, is_required_argument
from hypothesis import given
from hypothesis import strategies as st

from gonogo.model.errors import UsageError
from gonogo.tracker.api import engine
from gonogo.tracker.api.context import Context, Listings
from gonogo.tracker.console import read_line
from gonogo.tracker.credentials import Credentials
from gonogo.tracker.fields import timestamp
from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store, ids
from gonogo.tracker.store.artifacts import Draft
from gonogo.tracker.store.history import Chunk, evenly, finite
from gonogo.tracker.store.runs import RefusedError
from gonogo.tracker.sweeps.controller import Controller

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

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


@pytest.mark.slow
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

    def download(self, file: int, name: str) -> str:
        return f"http://here/get/{file}/{name}"


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
    store.artifacts.collections.link(artifact, project, "best", ["kept"])
    sweep = store.sweeps.create(project, {"config": '{"method": "grid", "parameters": {"a": {"values": [1]}}}', "state": "RUNNING"})["id"]
    agent = store.sweeps.add_agent(sweep, "host")["id"]
    store.sweeps.add_trial(sweep, agent, {"a": 1})
    store.sweeps.adopt(sweep, [run])
    with store.database.write() as connection:
        connection.execute("UPDATE sweep SET name = 's'")
        connection.execute("UPDATE agent SET name = 'a'")
    yield Context(store, settings, _Links(), Listings(), Controller(store))
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
    ("Project", "sweep"): '(sweepName: "s")',
    ("Sweep", "agent"): '(agentName: "a")',
    ("ArtifactType", "artifact"): '(name: "weights:v0")',
    ("ArtifactType", "artifactSequence"): '(name: "weights")',
    ("Artifact", "filesByManifestEntries"): '(storageLayout: "V2", manifestVersion: "1", entries: [])',
    ("Organization", "featureFlags"): "(rampIDType: OrgName)",
    ("Entity", "project"): '(name: "p")',
    ("Query", "organization"): '(name: "lab")',
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
        parts = (f"... on {name} {selection(engine._schema().type_map[name], depth)}" for name in ("ArtifactSequence", "ArtifactPortfolio"))
        return f"{{ {' '.join(parts)} }}"
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
    text = f"query All {{ {root}{ARGUMENTS.get(('Query', root), '')} {selection(query.fields[root].type, 3)} }}"
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


@pytest.mark.slow
def test_an_operation_with_many_aliases_is_refused(context: Context) -> None:
    runs = 'project(name: "p", entityName: "lab") { runs(filters: $f, first: 1000) { edges { node { name config } } } }'
    for count, status in ((1, 200), (200, 400)):
        many = " ".join(f"a{number}: {runs}" for number in range(count))
        asked = ask(context, f"query A($f: JSONString) {{ {many} }}", {"f": '{"state": "running"}'})
        assert asked[0] == status
    assert "asks for too much at once" in asked[1][0]
    nested = "query A { a: viewer { ...F } } fragment F on User { teams { edges { node { ...G } } } } fragment G on Entity { id }"
    assert ask(context, nested)[0] == 200
    bomb = " ".join(
        f"fragment F{at} on Entity {{ a: user {{ entity }} {' '.join(f'b{n}: user {{ id teams {{ edges {{ node {{ ...F{at + 1} }} }} }} }}' for n in range(9))} }}"
        for at in range(9)
    )
    assert ask(context, f"query A {{ entity {{ ...F0 }} }} {bomb} fragment F9 on Entity {{ id }}")[0] == 400


def test_the_largest_pages_of_the_client_are_answered(context: Context) -> None:
    fields = " ".join(f"a{number}: name" for number in range(30))
    text = f'query A($n: Int) {{ project(name: "p", entityName: "lab") {{ runs(first: $n, filters: "{{}}") {{ edges {{ node {{ {fields} }} }} }} }} }}'
    assert ask(context, text, {"n": 1000})[0] == 200


# What clients from 0.18 to 0.25 look up in the schema before they log, use an artifact or send an offline run; most end where it is missing.
PROBED = (
    *("Query", "Mutation", "ServerInfo", "ServerSettings", "UseArtifactInput", "Organization", "Project", "Artifact"),
    *("CreateArtifactInput", "CreateArtifactFileSpecInput", "CreateRunFilesInput"),
)


@pytest.mark.parametrize("name", PROBED)
def test_what_older_clients_look_up_is_in_the_schema(context: Context, name: str) -> None:
    fields = "inputFields" if name.endswith("Input") else "fields"
    status, answer = ask(context, f'query Probe {{ __type(name: "{name}") {{ {fields} {{ name }} }} }}')
    assert status == 200 and answer["__type"][fields]


def test_kinds_of_entities_are_written_as_the_client_reads_them(context: Context) -> None:
    asked = 'query A { organization(name: "lab") { orgEntity { entityType } } entity(name: "lab") { entityType } }'
    assert ask(context, asked) == (200, {"organization": {"orgEntity": {"entityType": "organization"}}, "entity": {"entityType": "team"}})


def test_older_clients_are_told_nothing_in_words_when_they_make_a_run(context: Context) -> None:
    asked = (
        'mutation { upsertBucket(input: {name: "r", modelName: "p", entityName: "e"}) { serverSettings { serverMessages { utfText } } } }'
    )
    assert ask(context, asked) == (200, {"upsertBucket": {"serverSettings": {"serverMessages": []}}})


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


def test_a_fork_begins_with_the_rows_of_its_source(context: Context) -> None:
    def begin(name: str, source: str, step: int) -> tuple[int, Any]:
        config = json.dumps({"_wandb": {"value": {"branch_point": {"run_id": source, "step": step}, "t": {"3": [71]}}}})
        return ask(context, UPSERT, {"input": {"entityName": "lab", "modelName": "p", "name": name, "config": config}})

    assert begin("fork", "r", 0)[0] == 200
    fork = context.store.runs.find("lab", "p", "fork")
    assert fork is not None and fork["rows"] == 1
    assert context.store.history.page(fork["id"], 0, 10, 10) == ['{"_step":0,"x":1}']
    context.store.history.store(fork["id"], Chunk(rows=['{"_step":1,"x":5}'], first_row=1))
    assert context.store.history.page(fork["id"], 0, 10, 10) == ['{"_step":0,"x":1}', '{"_step":1,"x":5}']
    assert begin("fork", "r", 0)[0] == 200  # as the client does again when its config changes
    assert context.store.history.page(fork["id"], 0, 10, 10) == ['{"_step":0,"x":1}', '{"_step":1,"x":5}']
    assert begin("another", "nothing", 0) == (400, ["run nothing, of which another is to be a fork: there is no such one"])


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
    assert timestamp(0.9) == "1970-01-01T00:00:00Z"


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
    assert credentials.signed(credentials.once(), "GET", 60) is None
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


def test_a_link_to_the_pages_is_good_once(credentials: Credentials) -> None:
    first, second = credentials.once(), credentials.once()
    for token in ("", "é", credentials.key, credentials.sign("GET", 1, 60), f"{first}x"):
        assert not credentials.take_once(token)
    assert credentials.take_once(first)
    assert not credentials.take_once(first)
    assert credentials.take_once(second)


def test_a_session_lasts_until_it_is_ended_also_over_a_restart(tmp_path: Path) -> None:
    store = Store(Settings(tmp_path / "data"))
    tokens = [store.sessions.begin() for _ in range(2)]
    for token in (None, "", "é", tokens[0] + "x"):
        assert not store.sessions.knows(token)
    store.close()
    store = Store(Settings(tmp_path / "data"))
    assert all(map(store.sessions.knows, tokens))
    store.sessions.end(tokens[0])
    assert [*map(store.sessions.knows, tokens)] == [False, True]
    store.close()
    assert not any(token.encode() in path.read_bytes() for token in tokens for path in (tmp_path / "data").glob("tracker*"))


@pytest.mark.parametrize(
    ("content", "mode", "says"), [("short", 0o600, "at least 40"), ("é" * 40, 0o600, "ASCII"), ("k" * 40, 0o644, "chmod 600")]
)
def test_keys_that_are_refused(tmp_path: Path, content: str, mode: int, says: str) -> None:
    path = tmp_path / "api_key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(UsageError, match=says):
        Credentials(tmp_path)
