"""The pages in a real browser: Debian's chromium, driven by its own driver."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("starlette", reason="the extra `tracker` is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from pages_world import EVIL_ID, EVIL_NAME, World, add_run, world
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from gonogo.tracker.store.history import Chunk

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is missing: apt-get install chromium chromium-driver"),
]
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --window-size=1400,1000"
)
DRAWN = "return [...document.querySelectorAll('.plot')].filter(plot => plot.data && plot.data.length).length"
TRACES = "return document.querySelector('[data-metric=\"train/loss\"] .plot')?.data?.map(trace => trace.line.color)"
RANGE = "return document.querySelector('[data-metric=\"train/loss\"] .plot')._fullLayout.xaxis.range"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tracker")) as running:
        yield running


@pytest.fixture
def browser(tracker: World, tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in [*ARGUMENTS.split(), f"--user-data-dir={tmp_path}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        driver.get(f"{tracker.url}/login?key={tracker.once}")
        yield driver
        assert [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
        events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
        requests = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        # Without what the browser's own page for a new tab asks for.
        asked = [each["request"]["url"] for each in requests if not each["documentURL"].startswith(("chrome://", "chrome-untrusted://"))]
        own = ("http://127.0.0.1:", "data:", "blob:")
        assert asked and [url for url in asked if not url.startswith(own)] == []
    finally:
        driver.quit()


def wait(driver: webdriver.Chrome, script: str, fits: Callable[[Any], bool] = bool) -> Any:
    """The value of a script once it is what is waited for."""
    deadline, value = time.monotonic() + 20, None
    while time.monotonic() < deadline:
        value = driver.execute_script(script)
        if fits(value):
            return value
        time.sleep(0.1)
    raise AssertionError(f"{script}: still {value!r}")


def test_a_runs_charts_are_drawn_smoothed_and_zoomed(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist/runs/run0")
    wait(browser, DRAWN, lambda count: count == 3)
    assert len(browser.execute_script(TRACES)) == 1
    browser.find_element(By.ID, "smoothing").send_keys(*[Keys.ARROW_RIGHT] * 60)
    wait(browser, TRACES, lambda colours: colours and len(colours) == 2 and len({*colours}) == 1)
    before = browser.execute_script(RANGE)
    plot = browser.find_element(By.CSS_SELECTOR, '[data-metric="train/loss"] .plot .nsewdrag')
    webdriver.ActionChains(browser).move_to_element(plot).click_and_hold().move_by_offset(80, 0).release().perform()
    after = wait(browser, RANGE, lambda found: found != before)
    assert after[1] - after[0] < (before[1] - before[0]) / 2
    browser.find_element(By.ID, "log").click()
    wait(browser, "return document.querySelector('.plot')._fullLayout.yaxis.type", lambda kind: kind == "log")
    browser.execute_script("const axis = document.getElementById('axis'); axis.value = 'wall'; axis.dispatchEvent(new Event('change'))")
    wait(browser, "return document.querySelector('.plot')._fullLayout.xaxis.type", lambda kind: kind == "date")
    titles = [button.get_attribute("data-title") for button in browser.find_elements(By.CSS_SELECTOR, ".modebar-btn")]
    assert titles and not [title for title in titles if title and ("Share" in title or "loud" in title)]


def test_picked_runs_are_compared(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist")
    wait(browser, TRACES, lambda colours: colours and len(colours) == 6)
    table = dict(zip(["run5", "run4", "run3", "run2", "run1", "run0"], browser.execute_script(TRACES), strict=True))
    assert len({*table.values()}) == 6
    browser.find_element(By.ID, "pick-none").click()
    wait(browser, "return document.getElementById('compare-button').disabled")
    for name in ("run1", "run4"):
        browser.find_element(By.CSS_SELECTOR, f'.pick-run[value="{name}"]').click()
    wait(browser, TRACES, lambda colours: colours and len(colours) == 2)
    browser.find_element(By.ID, "compare-button").click()
    wait(browser, "return location.pathname", lambda path: path == "/local/mnist/compare")
    wait(browser, DRAWN, lambda count: count == 3)
    assert browser.execute_script(TRACES) == [table["run4"], table["run1"]]
    heads = "return [...document.querySelectorAll('.diff thead .swatch path')].map(path => path.getAttribute('stroke')).slice(0, 2)"
    assert browser.execute_script(heads) == [table["run4"], table["run1"]]


def test_light_and_dark(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist/runs/run0")
    colours = "return [getComputedStyle(document.body).backgroundColor, document.querySelector('.plot')?._fullLayout?.font.color]"
    wait(browser, DRAWN)
    seen = {}
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        wait(browser, "return document.documentElement.dataset.theme", lambda theme, scheme=scheme: theme == scheme)
        seen[scheme] = browser.execute_script(colours)
    assert seen["light"][0] != seen["dark"][0] and seen["light"][1] != seen["dark"][1]
    browser.find_element(By.ID, "theme").click()  # auto, then light
    wait(browser, "return document.documentElement.dataset.theme", lambda theme: theme == "light")
    assert browser.execute_script(colours) == seen["light"]
    browser.refresh()
    assert browser.execute_script("return document.documentElement.dataset.theme") == "light"


def test_hostile_texts_are_shown_as_they_are(tracker: World, browser: webdriver.Chrome) -> None:
    name = quote(EVIL_ID, safe="")
    for path in ("/local/evil", f"/local/evil/runs/{name}", f"/local/evil/compare?runs={name}"):
        browser.get(tracker.url + path)
        wait(browser, DRAWN)
        assert browser.execute_script("return document.querySelectorAll('main script, main img, main i').length") == 0
        assert EVIL_NAME in browser.execute_script("return document.body.textContent") or path.endswith("evil")
    browser.get(f"{tracker.url}/local/evil/runs/{name}?tab=tables")
    wait(browser, "return document.querySelector('.heatmap').data?.length")
    browser.get(f"{tracker.url}/local/evil/runs/{name}?tab=console")
    assert "alert(1)" in browser.find_element(By.ID, "console").text


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_sticks_out(tracker: World, browser: webdriver.Chrome, width: int) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    tabs = [f"/local/mnist/runs/run0?tab={tab}" for tab in ("charts", "config", "summary", "console", "tables", "files", "artifacts")]
    evil = f"/local/evil/runs/{quote(EVIL_ID, safe='')}"
    for path in ("/", "/local/mnist", "/local/evil", "/local/mnist/compare?runs=run0&runs=run1", evil, f"{evil}?tab=config", *tabs):
        browser.get(tracker.url + path)
        time.sleep(0.5)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path


def test_the_console_and_the_config_are_searched_and_extended(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist/runs/run0?tab=console")
    browser.find_element(By.ID, "earlier").click()
    wait(browser, "return document.querySelectorAll('#console li').length", lambda count: count == 700)
    assert not browser.find_element(By.ID, "earlier").is_displayed()
    browser.get(f"{tracker.url}/local/mnist/runs/run0?tab=config")
    browser.find_element(By.CSS_SELECTOR, ".tree-filter").send_keys("hidden")
    shown = "return [...document.querySelectorAll('#tree tbody tr:not([hidden])')].map(row => row.dataset.path)"
    assert wait(browser, shown, lambda paths: len(paths) < 4) == ["model", "model.hidden"]


def test_a_running_run_is_kept_up_to_date(tracker: World, browser: webdriver.Chrome) -> None:
    store = tracker.service.store
    number = add_run(tracker.service, "live", "going", {}, [{"loss": 1.0}])

    def log(step: int, complete: bool) -> None:
        row = json.dumps({"_step": step, "_runtime": step, "_timestamp": 1.8e9 + step, "loss": 0.5, "new": 1})
        lines = (step, [f"2026-01-01T00:00:00.000000 line {step}"])
        store.history.store(number, Chunk(rows=[row], lines={"output.log": lines}, complete=complete, exit_code=0 if complete else None))

    log(1, False)
    browser.get(f"{tracker.url}/local/live/runs/going")
    points = "return document.querySelector('[data-metric=\"loss\"] .plot')?.data?.[0].y.length"
    wait(browser, points, lambda count: count == 2)
    assert "running" in browser.find_element(By.CSS_SELECTOR, "h1").text
    log(2, False)
    wait(browser, points, lambda count: count == 3)
    assert "2 (3 rows)" in browser.find_element(By.ID, "overview").text
    log(3, True)
    wait(browser, "return document.getElementById('refresh').checked", lambda checked: not checked)
    assert "finished" in browser.find_element(By.CSS_SELECTOR, "h1").text
    wait(browser, points, lambda count: count == 4)


def test_what_was_picked_stays_picked_while_the_table_is_refreshed(tracker: World, browser: webdriver.Chrome) -> None:
    store = tracker.service.store
    for index in range(3):
        number = add_run(tracker.service, "table", f"r{index}", {}, [{"loss": 1.0}])
    store.history.store(number, Chunk(rows=[json.dumps({"_step": 5, "loss": 2})]))
    browser.get(f"{tracker.url}/local/table")
    browser.find_element(By.CSS_SELECTOR, '.pick-run[value="r0"]').click()
    browser.find_element(By.TAG_NAME, "h1").click()
    browser.execute_script("document.activeElement.blur()")
    add_run(tracker.service, "table", "later", {}, [{"loss": 1.0}])
    picked = "return [...document.querySelectorAll('.pick-run')].map(box => [box.value, box.checked])"
    rows = wait(browser, picked, lambda found: len(found) == 4)
    assert {name for name, checked in rows if checked} == {"r1", "r2"}


def choose(driver: webdriver.Chrome, name: str, value: str) -> None:
    """Choose an entry of a list as a person does."""
    driver.execute_script(
        f"const list = document.getElementById('{name}'); list.value = '{value}'; list.dispatchEvent(new Event('change'))"
    )


def test_runs_are_drawn_as_means_with_bands_and_against_each_other(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist")
    wait(browser, TRACES, lambda colours: colours and len(colours) == 6)
    choose(browser, "aggregate", "*")
    curves = "return document.querySelector('[data-metric=\"lr\"] .plot')?.data?.map(trace => [trace.fill ?? '', trace.y[20]])"
    drawn = wait(browser, curves, lambda found: found and len(found) < 6)
    rates = [0.1, 0.01, 0.001] * 2
    mean = sum(rates) / 6
    spread = (sum((rate - mean) ** 2 for rate in rates) / 5) ** 0.5
    (line,) = [y for fill, y in drawn if fill != "toself" and not fill.startswith("tonext") and y == pytest.approx(mean)]
    assert line == pytest.approx(mean) and any(y == pytest.approx(mean + spread) for _, y in drawn)
    browser.get(f"{tracker.url}/local/mnist/plots")
    points = "return document.getElementById('scatter')?.data?.reduce((sum, trace) => sum + trace.x.length, 0)"
    wait(browser, points, lambda count: count == 6)
    wait(browser, "return document.getElementById('parallel')?.data?.length", lambda count: count == 6)


def test_what_was_logged_beside_numbers_is_drawn(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist/runs/run1")
    browser.execute_script("document.querySelector('[data-histogram]').scrollIntoView()")
    kind = "return document.querySelector('[data-histogram] .plot')?.data?.map(trace => [trace.type, trace.x.length])"
    wait(browser, kind, lambda found: found == [["heatmap", 12]])
    choose(browser, browser.find_element(By.CSS_SELECTOR, "[data-histogram] select").get_attribute("id"), "305")
    wait(browser, kind, lambda found: found and found[0][0] == "bar")
    browser.get(f"{tracker.url}/local/mnist/runs/run1?tab=tables")
    wait(browser, "return document.querySelectorAll('[data-pictures] .slide').length", lambda count: count == 2)
    first = "return [...document.querySelector('[data-pictures]').querySelectorAll('img')].map(image => [image.src, image.naturalWidth])"
    before = wait(browser, first, lambda images: images and all(width == 48 for _, width in images))
    browser.find_element(By.CSS_SELECTOR, '[data-pictures] button[title="Earlier step"]').click()
    after = wait(browser, first, lambda images: images and images != before and all(width == 48 for _, width in images))
    assert "310" in after[0][0]
    columns = "return [...document.querySelectorAll('main table tbody tr')].slice(0, 3).map(row => row.cells[0].textContent.trim())"
    assert browser.execute_script(columns)
    browser.find_element(By.CSS_SELECTOR, "main table thead th a").click()
    wait(browser, "return location.search", lambda search: "order=" in search)


def test_the_rows_of_a_table_are_filtered(tracker: World, browser: webdriver.Chrome) -> None:
    browser.get(f"{tracker.url}/local/mnist/runs/run1?tab=tables")
    rows = "return [...document.querySelectorAll('main table tbody tr')].map(row => row.cells[1]?.textContent.trim())"
    assert len(browser.execute_script(rows)) == 100
    browser.find_element(By.ID, "find").send_keys("IMAGE 14" + Keys.ENTER)
    wanted = ["image 14", *(f"image {number}" for number in range(140, 150))]
    wait(browser, rows, lambda found: found == wanted)
    browser.find_element(By.CSS_SELECTOR, "main table thead th a").click()  # by id, downward, and still filtered
    wait(browser, rows, lambda found: found == wanted[::-1])
    assert browser.find_element(By.ID, "find").get_attribute("value") == "IMAGE 14"
    browser.find_element(By.ID, "find").clear()
    browser.find_element(By.ID, "find").send_keys("no such" + Keys.ENTER)
    wait(browser, "return document.querySelector('main table td.none')?.textContent", lambda text: text == "No row holds this.")


@pytest.mark.parametrize("width", [800, 1400, 1900, 2600])
def test_charts_use_the_width_of_the_page(tracker: World, browser: webdriver.Chrome, width: int) -> None:
    """Each row of charts reaches from one side to the other, however many there are, and so does what is drawn in them."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    for count in (1, 2, 3, 4, 5, 7):
        if tracker.service.store.runs.find("local", f"wide{count}", "r") is None:
            add_run(tracker.service, f"wide{count}", "r", {}, [{f"m{at}": at * step for at in range(count)} for step in range(3)])
        browser.get(f"{tracker.url}/local/wide{count}/runs/r")
        wait(browser, DRAWN)
        ends = """const right = new Map(); for (const chart of document.querySelectorAll('.grid > *')) {
            const box = chart.getBoundingClientRect(); right.set(Math.round(box.top), Math.max(right.get(Math.round(box.top)) ?? 0, box.right)) }
            return [...right.values()].map(end => document.documentElement.clientWidth - Math.round(end))"""
        assert {*browser.execute_script(ends)} == {20}, (width, count)
    for path in ("/local/mnist/plots", "/local/mnist/runs/run1", "/local/mnist"):
        browser.get(tracker.url + path)
        drawn = "return Math.max(0, ...[...document.querySelectorAll('.plot .main-svg')].map(plot => plot.getBoundingClientRect().right))"
        wait(browser, drawn, lambda right: width - 60 <= right <= width)
