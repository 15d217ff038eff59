"""Whatever an experiment says, no report shows a character that moves the cursor, changes direction or hides."""

from __future__ import annotations

import io
import json
import re

import pytest
from cli import answered, copy_of
from experiments_of_texts import GOLDEN, GOLDEN_PLAN
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.cli.output import Amount, Destination, opened
from gonogo.launch.job import Event
from gonogo.launch.table import Board
from gonogo.model.finding import Finding, Location, Related, Severity, Stage
from gonogo.model.verdict import ReviewedClaim, ReviewReport, RunReport, StageReport, Suppressed, Verdict
from gonogo.report import formats, plain
from gonogo.report import json as report_json
from gonogo.report.console import ReportConsole
from gonogo.report.formats.full import Report
from gonogo.report.live import Live

# Default_Ignorable_Code_Point of Unicode 16 as ranges, and the blank of Braille.
IGNORABLE = [
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
STYLE = re.compile(r"\x1b\[[\d;]*m")  # what rich itself writes to a terminal
ODD = st.sampled_from(
    "\x1b\x07\x08\x00\r\n\t\x7f\x85\x9b\u061c\u200b\u200d\u2028\u2029\u202e\u2066\u2069\ufe0f\ufeff\u3164\U000e0041\ud800\u0301é漢"
)
TEXTS = st.text(st.one_of(ODD, st.characters()), max_size=12)


def is_shown(character: str) -> bool:
    code = ord(character)
    return character.isprintable() and not any(first <= code <= last for first, last in IGNORABLE)


def assert_plain(text: str) -> None:
    assert not [character for character in text if character != "\n" and not is_shown(character)]


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    def text() -> str:
        return draw(TEXTS).encode("utf-8", "replace").decode()

    place = Location(path=text() or "x", line=draw(st.integers(1, 3)), column=1, end_line=1, end_column=2)
    finding = Finding(
        rule="IMP101", slug="placeholder-body", severity=draw(st.sampled_from(list(Severity))), stage=Stage.CHECK, message=text(), action=text(),
        location=place, related=[Related(location=place, label=text())], runs=[text(), text()], evidence=text(), fingerprint="f" * 16,
    )  # fmt: skip
    claim = ReviewedClaim(kind="other", path=text(), line=1, what=text(), standing="open", fact=text())
    return Verdict(
        experiment=text(),
        contract="trial-mode",
        contract_reason=text(),
        gonogo_version="0",
        runs=[text(), text()],
        findings=[finding],
        suppressed=[Suppressed(finding=finding, by="config", where=text(), reason=text())],
        stages=[StageReport(name="check", status="failed", reason=text(), runs=[RunReport(run=text(), status="ok", phases={text(): 1.0})])],
        undecided=[text()],
        notes=[text()],
        review=ReviewReport(mode="advise", model=text(), claims=[claim]),
    )


@pytest.mark.slow
def test_every_character():
    characters = [chr(code) for code in range(0x110000)]
    assert [character for character in characters if plain.is_plain(character)] == list(filter(is_shown, characters))
    escaped = plain.line("".join(character for character in characters if not is_shown(character)))
    assert escaped.isascii() and escaped.isprintable()


@given(TEXTS)
def test_what_is_plain_stays(text):
    assert_plain(plain.line(text))
    assert plain.line(plain.line(text)) == plain.line(text)
    assert plain.block(text).count("\n") == text.replace("\r\n", "\n").count("\n")


@pytest.mark.slow
@given(
    st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5),
    st.sampled_from([None, 2]),
)
def test_json_means_the_same(data, indent):
    written = plain.to_json(data, indent)
    assert_plain(written)
    assert json.loads(written) == data


@pytest.mark.slow
@pytest.mark.parametrize("name", formats.names())
def test_no_format_shows_it(name, tmp_path_factory):
    target = tmp_path_factory.mktemp("reports") / "report"

    @settings(max_examples=40, deadline=None)
    @given(st.lists(verdicts(), min_size=1, max_size=2), TEXTS)
    def check(found: list[Verdict], source: str) -> None:
        with opened([Destination(name, str(target))], io.StringIO(), len(found), Amount(details=True)) as reports:
            for verdict in found:
                reports.add(verdict, {verdict.findings[0].location.path: f"{source}\n{source}\n{source}"})
            reports.finish(1.0)
        if name == "parquet":
            from pyarrow.parquet import read_table

            assert_plain(repr(read_table(target).to_pylist()))
            for row in read_table(target).to_pylist():
                assert_plain(row["code_issue"])
        else:
            assert_plain(target.read_text("utf-8"))

    check()


@given(verdicts(), TEXTS)
@settings(max_examples=40, deadline=None)
def test_no_terminal_shows_it(verdict, source):
    stream = io.StringIO()
    console = ReportConsole(stream)
    console._force_terminal = True
    Report(console).print(verdict, lambda _: [source] * 3, details=True)
    Report(console).overview([verdict], 1.0)
    assert_plain(STYLE.sub("", stream.getvalue()))


@given(verdicts())
@settings(max_examples=20, deadline=None)
def test_the_library_shows_none_either(verdict):
    assert_plain(report_json.document([verdict]))
    assert_plain(json.loads(report_json.line(verdict))["code_issue"])


@given(TEXTS, TEXTS)
@settings(max_examples=40, deadline=None)
def test_no_progress_shows_it(run, text):
    stream = io.StringIO()
    live = Live(stream, ["a", text])
    for what in ("start", "line", "end"):
        live.hear(1, "trial", run or "r", what, text)
    with Board(stream, [run], lambda _: text) as board:
        board.hear(Event(run, "failed", 1.0, 1, text))
    assert_plain(stream.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in formats.names() if name != "parquet"])
def test_a_hostile_tree(name, tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    (tree / "src" / "\x1b[31mred\u202e.py").write_text("import os\nos.nosuch(\u202e)\n")
    with (tree / "src/model.py").open("a") as file:
        file.write("# TODO: implement \x1b]0;title\x07 \u2066 \U000e0041\ndef f(): return undefined_\u0301name\n")
    with (tree / "config/config.yaml").open("a") as file:
        file.write('"\\e[2J\\u202e": "${nosuch\\u200b}"\n')
    result = answered("check", tree, "--format", name)
    assert result.returncode == 1
    assert_plain(result.stdout)
    assert_plain(result.stderr)
