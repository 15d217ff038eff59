"""The HTML report: one page that needs nothing else, in which what comes from the experiment stays text."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli import answered, copy_of
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

from gonogo.model.verdict import AnswersReport, CurveReport, RunReport, StageReport, Verdict
from gonogo.report.formats import Target, load

pytest.importorskip("jinja2", reason="the extra `html` is not installed")

EVIL = "</pre><script>alert(1)</script>"
VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """Reads a page; every element must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def lights(self) -> list[str | None]:
        return [attributes["class"] for tag, attributes in self.elements if tag == "li" and "class" in attributes]


def page_of(*trees: Path, target: Path) -> Page:
    answered("check", *trees, "--output", f"html={target}")
    return Page(target.read_text("utf-8"))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    tree = copy_of(GOLDEN, tmp_path / "broken", GOLDEN_PLAN)
    train = tree / "src/train.py"
    text = train.read_text("utf-8")
    assert '"learning_rate": cfg.run.training.learning_rate,' in text
    evil = f'"learning_rate": cfg.training["{EVIL}"],'
    train.write_text(text.replace('"learning_rate": cfg.run.training.learning_rate,', evil), "utf-8")
    return tree


@pytest.mark.slow
def test_findings_code_and_lights(broken, tmp_path):
    page = page_of(broken, target=tmp_path / "report.html")
    assert page.lights() == ["ok", "error", *["ok"] * 7]
    assert "HYD104 unknown-config-key" in page.text
    assert "cfg.training[" in page.text
    assert [attributes for tag, attributes in page.elements if tag == "details" and "open" in attributes]


@pytest.mark.slow
def test_what_comes_from_the_experiment_stays_text(broken, tmp_path):
    page = page_of(broken, target=tmp_path / "report.html")
    assert EVIL in page.text
    assert "script" not in {tag for tag, _ in page.elements}


@pytest.mark.slow
def test_it_needs_nothing_else(broken, tmp_path):
    target = tmp_path / "report.html"
    page = page_of(broken, target=target)
    assert not [attributes for _, attributes in page.elements if attributes.keys() & {"src", "onclick"}]
    assert all(str(attributes["href"]).startswith("#") for _, attributes in page.elements if "href" in attributes)
    assert not re.search(r"https?://|@import|url\(", target.read_text("utf-8"))


@pytest.mark.slow
def test_each_key_of_a_run_says_who_reads_it(broken, tmp_path):
    """Of two experiments on one page, so that the anchors of both are told apart."""
    other = copy_of(GOLDEN, tmp_path / "other", GOLDEN_PLAN)
    train = other / "src/train.py"
    train.write_text(train.read_text("utf-8").replace("cfg.run.training.momentum", 'cfg.run.training.get("momentumm", 0.9)'), "utf-8")
    target = tmp_path / "report.html"
    page = page_of(broken, other, target=target)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = [str(attributes["href"]) for _, attributes in page.elements if "href" in attributes]
    assert len(ids) == len(set(ids)) and links and {link.removeprefix("#") for link in links} <= set(ids)
    one, two = (keys_in(article) for article in target.read_text("utf-8").split("<article>")[1:])
    assert one["training.learning_rate"][1] == "unread" and two["training.learning_rate"][1] == "read"
    assert "src/train.py:21" in two["training.learning_rate"][3] and "config/run/" in two["training.learning_rate"][2]
    assert one["training.momentum"][1] == "read" and two["training.momentum"][1] == "unread"
    assert two["training.momentumm"][:2] == ["(the code goes on with 0.9)", "absent"] and "src/train.py" in two["training.momentumm"][3]


def keys_in(article: str) -> dict[str, list[str]]:
    """By key of the first run's config: the texts of its value, its state, where it is written and where it is asked for."""
    found: dict[str, list[str]] = {}
    for row in re.findall(r'<th scope="row" class="key".*?</tr>', article, re.DOTALL):
        _, *cells = (" ".join(re.sub(r"<[^>]*>", "", cell).split()) for cell in re.split(r"</t[hd]>", row)[:-1])
        found.setdefault(str(re.search(r'title="(?:run[.])?([^"]*)"', row)[1]), cells)
    return found


@pytest.mark.slow
def test_a_go_and_several(broken, tmp_path):
    good = copy_of(GOLDEN, tmp_path / "good", GOLDEN_PLAN)
    page = page_of(good, broken, target=tmp_path / "report.html")
    badges = [attributes["class"] for tag, attributes in page.elements if tag == "span" and "badge" in (attributes.get("class") or "")]
    assert badges == ["badge go", "badge no-go"]
    assert len(page.lights()) == 18
    assert "Where the reported numbers come from" in page.text


def test_stages_and_the_matrix(tmp_path):
    """A verdict with all that a challenge adds, written as it is."""
    from gonogo.model.verdict import CellReport, ChallengeReport, NumberReport, RunReport, StageReport, Verdict
    from gonogo.report.formats import Target, load

    number = NumberReport(
        subject="run-a", name="test/accuracy", value=0.5, cells={"seed": CellReport(state="moved"), "labels": CellReport(state="same")}
    )
    verdict = Verdict(
        experiment="x",
        contract="trial-mode",
        gonogo_version="0",
        runs=["run-a"],
        stages=[
            StageReport(name="check", status="ran", seconds=1.0),
            StageReport(name="trial", status="ran", seconds=3.0, runs=[RunReport(run="run-a", status="ok", started=0.5, seconds=2.0)]),
        ],
        challenge=ChallengeReport(numbers=[number], not_tried={"missing": "there is one run"}),
    )
    target = tmp_path / "report.html"
    with target.open("w", encoding="utf-8") as stream:
        writer = load("html").open(Target(stream, str(target), 1))
        writer.add(verdict, {})
        writer.finish(4.0)
    page = Page(target.read_text("utf-8"))
    bars = [attributes["style"] for tag, attributes in page.elements if tag == "div" and "style" in attributes]
    assert bars == ["left: 0.00%; width: 25.00%", "left: 25.00%; width: 75.00%", "left: 37.50%; width: 50.00%"]
    cells = [attributes["class"] for tag, attributes in page.elements if tag == "td" and attributes.get("class") in ("moved", "same")]
    assert cells == ["moved", "same"]
    assert "missing not tried: there is one run" in page.text


def stage_with_runs() -> StageReport:
    """A rehearsal of two runs: their curves, what their networks answered, how they were held in."""
    return StageReport(
        name="rehearsal",
        status="ran",
        seconds=3.0,
        runs=[
            RunReport(
                run="run-a",
                status="ok",
                seconds=1.0,
                curves=[
                    CurveReport(name="loss", steps=[0.0, 1.0, 2.0], values=[2.0, 1.0, 0.5]),
                    CurveReport(name=EVIL, steps=[1.0], values=[0.25]),
                ],
                answers=[AnswersReport(classes=3, rows=8, counts=[6, 2, 0])],
            ),
            RunReport(run="run-b", status="ok", seconds=1.0, curves=[CurveReport(name="loss", steps=[0.0, 2.0], values=[1.0, 1.0])]),
            RunReport(run="evaluation", status="ok", seconds=1.0),
        ],
        held_in={"sandbox": "bubblewrap 0.9.0", "limits of one run": "180 s, 8 GiB of memory"},
        stand_ins=["imdb: made-up rows <b>"],
    )


def written(verdict: Verdict, target: Path) -> Page:
    with target.open("w", encoding="utf-8") as stream:
        writer = load("html").open(Target(stream, str(target), 1))
        writer.add(verdict, {})
        writer.finish(4.0)
    return Page(target.read_text("utf-8"))


def test_curves_answers_and_how_it_was_run(tmp_path):
    verdict = Verdict(experiment="x", contract="trial-mode", gonogo_version="0", runs=["run-a", "run-b"], stages=[stage_with_runs()])
    page = written(verdict, tmp_path / "report.html")
    lines = [attributes for tag, attributes in page.elements if tag == "polyline" and attributes["points"] != "2,5 38,5"]
    assert [(line["class"], line["points"]) for line in lines] == [
        ("style0", "6.0,6.0 150.0,78.0 294.0,114.0"),
        ("style1", "6.0,78.0 294.0,78.0"),
        ("style0 dot", "150.0,60.0 150.0,60.0"),
    ]
    told = [attributes["aria-label"] for tag, attributes in page.elements if tag == "svg" and attributes.get("role") == "img"]
    assert told[0] == "loss, steps 0 to 2, between 0.5 and 2. run-a: 3 values, the last 0.5; run-b: 2 values, the last 1"
    assert told[-1] == "run-a: 8 rows over 3 classes; 2 classes were answered, most often class 0 (6 rows)"
    assert len([tag for tag, _ in page.elements if tag == "rect"]) == 3
    assert "imdb: made-up rows <b>" in page.text and "bubblewrap 0.9.0" in page.text and "180 s, 8 GiB of memory" in page.text
    assert EVIL in page.text and "script" not in [tag for tag, _ in page.elements]


@pytest.mark.slow
def test_nothing_is_drawn_where_nothing_was_run(broken, tmp_path):
    page = page_of(broken, target=tmp_path / "report.html")
    assert not [tag for tag, _ in page.elements if tag in ("svg", "figure")] and "How it was run" not in page.text


def test_values_at_the_ends_of_what_a_number_can_be(tmp_path):
    wide = RunReport(run="a", status="ok", curves=[CurveReport(name="loss", steps=[0, 1], values=[-1.7e308, 1.7e308])])
    page = written(
        Verdict(experiment="x", contract="", gonogo_version="0", stages=[StageReport(name="trial", status="ran", runs=[wide])]),
        tmp_path / "r",
    )
    assert "inf" not in page.text and "nan" not in page.text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium") or not shutil.which("chromedriver"), reason="chromium or chromedriver is missing")
@pytest.mark.parametrize("width", [380, 1400])
def test_a_browser_shows_it_within_its_width_and_says_nothing(broken, tmp_path, width):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    told = json.loads(answered("check", broken, "--format", "json").stdout)
    written(Verdict.model_validate({**told, "stages": [stage_with_runs().model_dump()]}), tmp_path / "report.html")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get((tmp_path / "report.html").as_uri())
        assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert driver.execute_script("return document.querySelectorAll('details').length") >= 2
        assert driver.get_log("browser") == []
    finally:
        driver.quit()
