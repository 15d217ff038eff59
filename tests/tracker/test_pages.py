"""The pages at `/`, asked for over HTTP as a browser does."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("starlette", reason="the extra `tracker` is not installed")

from pages_world import EVIL, EVIL_ID, EVIL_NAME, World, add_file, add_run, world

from gonogo.tracker.pages import query
from gonogo.tracker.store.runs import RefusedError

MNIST = "entity=local&project=mnist"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tracker")) as running:
        yield running


def names(page: str) -> list[str]:
    """Ids of the runs in a table, from top to bottom."""
    return re.findall(r'class="pick-run"[^>]* value="([^"]*)"', page)


# Who is let in


@pytest.mark.slow
def test_without_the_key_pages_lead_to_the_login_and_data_are_refused(tracker: World) -> None:
    for path in ("/", "/local/mnist", "/local/mnist/runs/run0", "/local/mnist/compare?runs=run0", "/no/such/page/anywhere"):
        answer = tracker.ask(path, known=False)
        assert answer.status == 303 and answer.headers["location"].startswith("/login"), path
    for path in ("/data/metrics", "/data/curves", "/data/console", "/data/image", "/data/file", "/data/none"):
        answer = tracker.ask(f"{path}?{MNIST}&run=run0", known=False)
        assert answer.status == 401 and "API key" in answer.json["error"], path
    assert tracker.ask("/logout", "POST", {}, known=False).status == 401
    assert tracker.ask("/login", known=False).status == 200


def test_a_wrong_key_opens_nothing(tracker: World) -> None:
    for answer in (tracker.ask("/login?key=wrong", known=False), tracker.ask("/login", "POST", {"key": "wröng"}, known=False)):
        assert answer.status == 401
        assert "set-cookie" not in answer.headers
        assert "not the key" in answer.text or "was used before" in answer.text
    assert tracker.ask("/", known=False, Cookie="gonogo=1; gonogo_session=page").status == 303


@pytest.mark.parametrize("by", ["address", "form"])
def test_the_key_is_shown_once(tracker: World, by: str) -> None:
    key = tracker.once if by == "address" else tracker.key
    answer = tracker.ask(f"/login?key={key}", known=False) if by == "address" else tracker.ask("/login", "POST", {"key": key}, known=False)
    if by == "address":
        assert tracker.ask(f"/login?key={key}", known=False).status == 401
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    session = cookie.split(";")[0]
    assert key not in session
    assert tracker.ask("/", known=False, Cookie=session).status == 200
    assert tracker.ask(f"/data/metrics?{MNIST}&run=run0", known=False, Cookie=session).status == 200
    left = tracker.ask("/logout", "POST", {}, known=False, Cookie=session)
    assert left.status == 303 and "Max-Age=0" in left.headers["set-cookie"]
    assert tracker.ask("/", known=False, Cookie=session).status == 303  # whoever copied the cookie is out, too


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\r\nX: y", "/\t/evil.example", ""]
)
def test_the_login_leads_nowhere_else(tracker: World, target: str) -> None:
    asked = urlencode({"key": tracker.once, "next": target})
    assert tracker.ask(f"/login?{asked}", known=False).headers["location"] == "/"
    assert tracker.ask("/login", "POST", {"key": tracker.key, "next": target}, known=False).headers["location"] == "/"


def test_after_the_login_comes_what_was_asked_for(tracker: World) -> None:
    path = f"/local/evil/runs/{quote(EVIL_ID, safe='')}?tab=config"
    login = tracker.ask(path, known=False).headers["location"]
    form = tracker.ask(login, known=False).text
    assert EVIL not in form
    assert tracker.ask(f"{login}&key={tracker.key}", known=False).status == 401  # the key has no place in an address
    answer = tracker.ask(f"{login}&key={tracker.once}", known=False)
    assert tracker.ask(answer.headers["location"]).status == 200


def test_every_answer_forbids_what_others_could_do_with_it(tracker: World) -> None:
    for path in ("/", "/login", "/none/none", f"/data/metrics?{MNIST}&run=run0", "/local/mnist/runs/run0", "/static/x/style.css"):
        headers = tracker.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';"), path
        assert "script-src" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


# What is shown


def test_projects_are_listed_by_activity(tracker: World) -> None:
    page = tracker.ask("/").text
    assert page.index("/local/evil") < page.index("/local/mnist")
    assert re.search(r'mnist</a></td><td class="num">6<', page)


def test_an_empty_tracker_says_what_to_do(tmp_path: Path) -> None:
    with world(tmp_path, seeded=False) as tracker:
        page = tracker.ask("/").text
        assert f"WANDB_BASE_URL={tracker.url}" in page
        tracker.service.store.runs.make_project("local", "new")
        assert "No runs yet" in tracker.ask("/local/new").text


def test_runs_are_listed_with_what_differs(tracker: World) -> None:
    page = tracker.ask("/local/mnist").text
    assert names(page) == [f"run{index}" for index in (5, 4, 3, 2, 1, 0)]
    heads = re.findall(r'<th scope="col"[^>]*><a [^>]*title="([^"]*)"', page)
    assert heads[:7] == ["name", "state", "created", "duration", "step", "group", "tags"]
    assert {"config.lr", "config.seed", "summary.val/acc", "summary.train/loss"} <= {*heads}
    assert "config.model.dropout" not in heads
    assert "config.model.dropout" in page  # it can be picked
    assert page.count("checked aria-label") == 6


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("config.lr", "run2"),
        ("-config.seed", "run5"),
        ("name", "run0"),
        ("-name", "run5"),
        ("-summary.val/acc", "run0"),
        ("config.none", "run0"),
    ],
)
def test_runs_are_sorted_by_any_column(tracker: World, sort: str, first: str) -> None:
    assert names(tracker.ask(f"/local/mnist?{urlencode({'sort': sort})}").text)[0] == first


@pytest.mark.parametrize(
    ("text", "fitting"),
    [
        ("number", 6),
        ("NUMBER 3", 1),
        ('"number 3"', 1),
        ("tag4", 1),
        ("run2", 1),
        ("config.lr>0.005", 4),
        ("lr>=0.01 lr<0.1", 2),
        ("lr=0.1", 2),
        ("lr!=0.1", 4),
        ("state:finished", 6),
        ("state!=finished", 0),
        ("tags:baseline seed<2", 2),
        ('group:"lr-0.1"', 2),
        ("group~LR-0.0", 4),
        ("model.dropout=0.1", 6),
        ("summary.val/acc>0.9 created>2020-01-01", 4),
        ('name~"number 5"', 1),
        ("nothing>3", 0),
    ],
)
def test_runs_are_filtered(tracker: World, text: str, fitting: int) -> None:
    answer = tracker.ask(f"/local/mnist?{urlencode({'q': text})}")
    assert answer.status == 200
    assert len(names(answer.text)) == fitting
    if not fitting:
        assert "No run fits this filter" in answer.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lr>", "lacks a value"),
        (">3", "can&#39;t be read from"),
        ('"open', "quotation mark is not closed"),
        ("name=" + "x" * 3000, "longer than"),
    ],
)
def test_a_filter_that_cannot_be_read_is_explained(tracker: World, text: str, sentence: str) -> None:
    answer = tracker.ask(f"/local/mnist?{urlencode({'q': text})}")
    assert answer.status == 400
    assert sentence in answer.text
    assert len(names(answer.text)) == 6  # the table stays


@pytest.mark.parametrize(
    "text", ["", "a", 'a:b"c', "a>=b<=c", "~", "a~(", "$where:1", "config.:1", "config.>1", "a=NaN", "a=" + "[" * 1500, "\x00=1"]
)
def test_any_filter_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(query.mongo(text), dict)
    except RefusedError as error:
        assert str(error).endswith(".")


@pytest.mark.slow
def test_many_runs_come_in_pages(tmp_path: Path) -> None:
    with world(tmp_path, seeded=False) as tracker:
        for number in range(230):
            add_run(tracker.service, "many", f"r{number:03d}", {"seed": number, "odd": number % 2}, [{"loss": 1 / (number + 1)}])
        first = tracker.ask("/local/many?sort=config.seed").text
        assert names(first) == [f"r{number:03d}" for number in range(100)]
        assert "Page 1 of 3" in first
        assert names(tracker.ask("/local/many?sort=config.seed&page=3").text) == [f"r{number:03d}" for number in range(200, 230)]
        for page in ("0", "-1", "99", "x", "٣"):
            assert tracker.ask(f"/local/many?page={quote(page)}").status == 200
        filtered = tracker.ask("/local/many?q=odd%3D1&sort=-summary.loss").text
        assert names(filtered)[:2] == ["r001", "r003"]
        assert "115 of 230 runs fit" in filtered
        following = re.search(r'<a href="([^"]*)" rel="next"', filtered)
        assert following and "odd" in following[1] and "summary.loss" in following[1]


@pytest.mark.parametrize("tab", ["charts", "config", "summary", "console", "tables", "files", "artifacts"])
def test_a_run_is_shown(tracker: World, tab: str) -> None:
    page = tracker.ask(f"/local/mnist/runs/run0?tab={tab}").text
    shown = {
        "charts": ["mlp number 0", "finished", "machine", "train.py", "lr-0.1", "baseline", "Smoothing"],
        "config": ['data-path="model.hidden"', "[256, 128]", 'data-path="lr"'],
        "summary": ["val/acc", "image-file"],
        "console": ["step 699", "step 200", "Load earlier"],
        "tables": ["data-matrix=", "confusion_table_1", "picture.png"],
        "files": ["sub folder/ünï &amp; co.txt", "media/images/picture.png"],
        "artifacts": ["weights:v0", "weights.bin", "latest"],
    }
    for text in shown[tab]:
        assert text in page, text


def test_a_tables_rows_come_in_pages(tracker: World) -> None:
    base = "/local/mnist/runs/run0?tab=tables&table=" + quote("media/table/long_2.table.json", safe="")
    assert "row 99<" in tracker.ask(base).text and "row 100<" not in tracker.ask(base).text
    assert "row 249<" in tracker.ask(f"{base}&page=3").text
    broken = tracker.ask("/local/mnist/runs/run0?tab=tables&table=" + quote("media/table/broken_3.table.json", safe=""))
    assert broken.status == 200 and "holds no table" in broken.text


@pytest.mark.parametrize(
    ("find", "found"),
    [
        ("", "0 1 2 3 4 5 6"),
        ("apple", "0"),
        ("APPLE", "0"),
        ("strasse", "1"),  # case as Unicode folds it
        ("needle", "2"),  # beyond what a cell shows of a long text
        ("item 250", "3"),  # and of a long list
        ("0.125", "4"),
        ("true", "4"),
        ("cats/1.png", "5"),
        ("a tabby", "5"),
        ("<b>&amp;", "6"),
        ("none at all", ""),
    ],
)
@pytest.mark.parametrize("order", ["", "0", "-0"])
def test_a_tables_rows_are_filtered(tracker: World, find: str, found: str, order: str) -> None:
    picture = {"_type": "image-file", "path": "media/images/cats/1.png", "caption": "A tabby"}
    cells = ["Apple", "Straße", f"{'hay ' * 200}needle", [f"item {at}" for at in range(300)], [True, 0.125], picture, "<b>&amp;"]
    content = {"columns": ["row", "what"], "data": [[f"row-{at}", cell] for at, cell in enumerate(cells)]}
    run = tracker.service.store.runs.find("local", "filtered", "r")
    number = run["id"] if run else add_run(tracker.service, "filtered", "r", {}, [{"loss": 1}])
    add_file(tracker.service, "media/table/found_1.table.json", json.dumps(content).encode(), run=number)
    page = tracker.ask(f"/local/filtered/runs/r?tab=tables&order={order}&find={quote(find)}").text
    shown = re.findall(r'<td title="row-(\d)"', page)
    assert shown == sorted(found.split(), reverse=order == "-0")
    assert f"{len(shown)} rows" in page and ("No row holds this." in page) == (not shown)
    assert f'value="{html.escape(find, quote=False)}"' in page


def test_the_pages_of_a_filtered_table_hold_only_what_was_asked(tracker: World) -> None:
    base = "/local/mnist/runs/run1?tab=tables&key=predictions&find=image+1"
    first = tracker.ask(base).text
    assert "Page 1 of 1, 61 rows" in first and 'title="image 20"' not in first  # 1, 10 to 19, 100 to 149
    assert "Page 1 of 1, 61 rows" in tracker.ask(f"{base}&page=2&step=300&order=-2").text
    header = re.search(r'<th scope="col" ><a href="([^"]*)"', first)
    assert header and "find=image" in header[1]


def test_runs_are_compared(tracker: World) -> None:
    page = tracker.ask("/local/mnist/compare?runs=run0&runs=run1&runs=run3").text
    config, summary = page.split("<h2>Summary</h2>")
    assert re.findall(r'title="(lr|seed|model\.dropout)"', config) == ["lr", "seed"]
    assert config.count('class="differs"') == 2
    assert "val/acc" in summary and "_runtime" not in summary
    assert "model.dropout" in tracker.ask("/local/mnist/compare?runs=run0&runs=run1&all=1").text
    assert "Pick runs" in tracker.ask("/local/mnist/compare").text


@pytest.mark.parametrize(
    "path",
    [
        "/none/none",
        "/local/mnist/runs/none",
        "/local/mnist/runs/run0?tab=none",
        "/local/mnist/runs/run0?tab=tables&table=none",
        "/local/mnist/compare?runs=none",
        "/no/such/page/anywhere",
        "/static/x/none.js",
        "/static/x/..%2fapp.py",
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(tracker: World, path: str) -> None:
    answer = tracker.ask(path)
    assert answer.status == 404
    assert "Nothing is here" in answer.text


# Hostile runs


@pytest.mark.parametrize("tab", [None, "charts", "config", "summary", "console", "tables", "files", "artifacts", "compare"])
def test_what_runs_say_is_never_markup(tracker: World, tab: str | None) -> None:
    name = quote(EVIL_ID, safe="")
    path = {None: "/local/evil", "compare": f"/local/evil/compare?all=1&runs={name}"}.get(tab, f"/local/evil/runs/{name}?tab={tab}")
    answer = tracker.ask(path)
    assert answer.status == 200
    assert "alert(1)" in answer.text or "alert(2)" in answer.text
    assert "<script>" not in answer.text and "<img src=x" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert len(answer.body) < 200_000
    for found in re.findall(r"data-(?:page|matrix)='([^']*)'", answer.text):
        assert "<" not in found
        json.loads(found)


def test_ids_are_quoted_wherever_they_lead(tracker: World) -> None:
    page = tracker.ask("/local/evil").text
    link = re.search(r'href="(/local/evil/runs/[^"]*)"', page)
    assert link
    assert tracker.ask(link[1]).status == 200
    tab = re.search(r'href="([^"]*\?tab=config)"', tracker.ask(link[1]).text)
    assert tab and tracker.ask(tab[1]).status == 200
    source = re.search(r'data-source="([^"]*)"', tracker.ask(link[1] + "?tab=console").text)
    assert source and tracker.ask(source[1].replace("&amp;", "&")).status == 200
    assert tracker.ask("/data/metrics?" + urlencode({"entity": "local", "project": "evil", "run": EVIL_ID})).status == 200
    assert EVIL_NAME not in page


@pytest.mark.slow
def test_large_configs_and_summaries_are_cut(tmp_path: Path) -> None:
    with world(tmp_path, seeded=False) as tracker:
        add_run(
            tracker.service,
            "big",
            "r",
            {"huge": {f"k{number}": "v" * 3000 for number in range(3500)}},
            [{f"m{number}": 1 for number in range(3000)}],
        )
        for path in ("/local/big", "/local/big/runs/r?tab=config", "/local/big/runs/r?tab=summary", "/local/big/compare?runs=r&all=1"):
            answer = tracker.ask(path)
            assert answer.status == 200 and len(answer.body) < 3_000_000, path
        assert "Only the first 2000 lines" in tracker.ask("/local/big/runs/r?tab=config").text
        assert len(tracker.ask("/data/metrics?entity=local&project=big&run=r").json["metrics"]) == 2000


def test_odd_values_break_no_page(tmp_path: Path) -> None:
    with world(tmp_path, seeded=False) as tracker:
        config = {
            "\ud800key": "\ud800",
            "many": 10**500,
            "nan": float("nan"),
            "deep": json.loads("[" * 400 + "]" * 400),
            "none": None,
            "yes": True,
        }
        rows = [{"huge": 10**500, "text": "x", "none": None, "yes": True, "list": [1], "o": {"p": {"q": step}}} for step in range(3)]
        number = add_run(tracker.service, "odd", "r", config, rows, display_name="")
        add_run(tracker.service, "odd", "s", {"many": "text"}, [])
        tabs = [f"/local/odd/runs/r?tab={tab}" for tab in ("charts", "config", "summary", "console", "tables", "files", "artifacts")]
        for path in ("/local/odd", "/local/odd?sort=config.many", "/local/odd?q=many%3E3", "/local/odd/compare?runs=r&runs=s&all=1", *tabs):
            assert tracker.ask(path).status == 200, path
        metrics = tracker.ask("/data/metrics?entity=local&project=odd&run=r").json["metrics"]
        assert {"huge", "yes", "o.p.q"} <= {*metrics}
        grids = tracker.ask("/data/curves?entity=local&project=odd&run=r&key=huge&key=o.p.q").json["runs"]["r"]
        curves = {name: values for grid in grids for name, values in grid["curves"].items()}
        assert curves == {"huge": [None] * 3, "o.p.q": [0, 1, 2]}
        with tracker.service.store.database.write() as connection:
            connection.execute("UPDATE run SET summary = ?, config = '[]' WHERE id = ?", ("[" * 100_000, number))
        for path in ("/local/odd", *tabs):
            assert tracker.ask(path).status == 200, path


def test_filters_read_what_the_box_says(tracker: World) -> None:
    assert query.mongo("config.lr>0.01") == {"$and": [{"$or": [{"config.lr": {"$gt": 0.01}}]}]}
    assert query.mongo("") == {}
