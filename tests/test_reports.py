"""Reports of sections and animals: what is on them, in a browser and on paper, and which tiles stand for a section."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pypdfium2
import pytest
from browser import open_browser
from commands import cli
from library_parts import stored_section
from report_parts import page_text
from storage_cases import change_spec, fingerprint

from hcc_scope.errors import ModelError, StoreUnwritableError, UsageError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.saliency_map import relative_saliency
from hcc_scope.report.document import Document, Drawing, Figure, Figures, Heading, Paragraph, Table
from hcc_scope.report.html_page import html_page
from hcc_scope.report.microscope_rows import focus_rows, setting_rows, shading_rows
from hcc_scope.report.model_rows import ReportModel
from hcc_scope.report.pdf_file import pdf_file
from hcc_scope.report.svg import drawing, element
from hcc_scope.report.tile_examples import choose_tiles, tile_figures
from hcc_scope.resources import models_dir
from hcc_scope.run_events import RunEvent
from hcc_scope.runs.reports import write_reports, write_section_report
from hcc_scope.storage.import_record import import_record
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.present_score import present_score
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import RunLogWriter
from hcc_scope.types import FrameResult

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='hacked = 1'>#read(\"/etc/passwd\") $x$ _a_ *b*"
MODEL = "phantom-meng2019"
LINE = "Research use only. Not for diagnosis."
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def pages_of(pdf: bytes | Path) -> list[str]:
    """Return the text of each sheet, with single blanks."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


# ---- in a browser and on paper --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A section that the shipped model is recorded for, with markup wherever a person types."""
    folder = tmp_path_factory.mktemp("section")
    facts = {"specimen": HOSTILE, "model": MODEL, "camera": HOSTILE}
    sha256 = read_card(models_dir() / MODEL).sha256
    store = stored_section(
        folder, "M1 小", n=3, shape_yx=(512, 512), tile_px=512, model_sha256=sha256, provenance=facts
    )
    notes = NotesWriter(store)
    notes.add("note", HOSTILE)
    notes.add("exclude", HOSTILE, 1)
    return store


@pytest.fixture(scope="module")
def report(section: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_section_report(section, tmp_path_factory.mktemp("report"))


def test_a_browser_shows_the_page_and_runs_nothing_in_it(report: Path, tmp_path: Path) -> None:
    with open_browser(tmp_path / "profile") as browser:
        for width, dark in ((420, False), (1100, True)):
            browser.open(report, width, dark=dark)
            assert browser.value("document.title") == "Section S1 of animal M1 小"
            assert browser.value("document.documentElement.scrollWidth") <= width
            ground = browser.value("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(31, 34, 38)") == dark
        loaded = "[...document.images].every(one => one.complete && one.naturalWidth > 0)"
        assert browser.value(loaded)
        assert browser.value("document.images.length") == 6  # two fields, and of each its tile with its saliency
        assert browser.value("document.querySelectorAll('svg').length") == 6
        assert browser.value("document.querySelectorAll('script, iframe, img[src=x]').length") == 0
        assert browser.value("document.body.innerText.split('<script>').length - 1") == 7
        assert browser.value("typeof window.hacked") == "undefined"
        assert set(browser.requests) == {report.resolve().as_uri()}
        # were markup to get past the template, the page's own policy keeps it from running
        browser.value("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
        assert browser.value("typeof window.hacked") == "undefined"
        sheets = pages_of(browser.printed())
    assert len(sheets) > 2
    assert all(LINE in sheet for sheet in sheets)


def test_the_pdf_has_what_the_page_has_and_the_line_on_each_sheet(report: Path) -> None:
    sheets = pages_of(report.with_suffix(".pdf"))
    assert all(LINE in sheet for sheet in sheets)
    assert f"page 1 of {len(sheets)}" in sheets[0]
    text = " ".join(sheets)
    for words in (
        "Section S1 of animal M1",
        "95 % interval",
        "Fields where they lie",
        "Exclusions by reason",
        "Most typical",
        "field 0: saliency",
        "The model in short",
        "intended use",
        "frames sha256 (frames.jsonl)",
        "Every field is listed in the HTML page",
    ):
        assert words in text
    assert text.replace(" ", "").count(HOSTILE.replace(" ", "")) == 6  # specimen twice, camera, note, reason twice


def test_letters_that_typst_fails_on_are_shown_as_codes() -> None:
    """With the fonts of most computers, Typst 0.15 breaks off on the first of these."""
    codes = (
        "9ed 6cd e5a6c 61b 6ed 3b 1826 3b 20 6b3 1f3fb 91b efcc4 61b 1f3fb 20 185b 67f b1884 1f3fb 3b 20 "
        "6d203 61b 696 9ee 189d 185c 20 20 34659 1f468 970 322 1f3fb 3b 1f468 1f468 782e3 1f3fb ad004 "
        "61b 1f468 fc21 3b 20 18a0 61b 6f7 1f468 9a9 3b 61b fc28 1f468 6bf 20 5762e 3b e61da 61b 1f3fb "
        "7911e 1f468 189c 3b 6055c 1872 61b 1f3fb 1f3fb 61b"
    )
    odd = "".join(chr(int(code, 16)) for code in codes.split())
    blocks = [Paragraph(odd), Paragraph("\u061b\u06e7\u200d"), Paragraph("Gr\u00fc\u00dfe")]
    (sheet,) = pages_of(pdf_file(Document("T", "", LINE, blocks, NOW)))
    assert "Grüße" in sheet


def test_text_is_never_markup_on_paper_and_long_words_break() -> None:
    odd = ("#panic()", "\ud800", "\x00", "᠆;؛", "*_`$@<a>", "\u202eabc", "小鼠", "a\nb", "\\", "]]", "w" * 3000)
    blocks = [
        Heading("#read(1)", level=3),
        *(Paragraph(text, look) for text in odd for look in ("plain", "quiet", "warn", "alarm", "score")),
        Table(odd, [odd] * 2, widths=[1] * len(odd), struck=frozenset({1}), links={0: "a.html"}),
        Drawing(drawing(10, 10, "<&>", element("rect", class_="hatched", width=4, height=4))),
        Figures([Figure("<&>", picture="data:image/png;base64,AAAA")]),
    ]
    document = Document(
        "T #1", "", LINE, blocks, NOW, page_only=[Heading("on the page alone")], not_on_paper="left out"
    )
    first = pdf_file(document)
    assert first == pdf_file(document)
    text = " ".join(pages_of(first))
    assert max(map(len, text.split())) < 200, "a longer word leaves the sheet"
    assert "#panic()" in text
    assert "\\ud800" in text
    assert "left out" in text
    assert "on the page alone" not in text
    page = html_page(document).decode()
    assert '<tr class="out">' in page
    assert '<a href="a.html">' in page
    assert "on the page alone" in page


# ---- which tiles stand for a section --------------------------------------------------------------------------------


def result(seq: int, *probabilities: float, distances: tuple[float, ...] | None = None) -> FrameResult:
    p = np.array(probabilities, np.float32)
    flags = np.isnan(p).astype(np.uint8)
    far = None if distances is None else np.array(distances, np.float32)
    return FrameResult(seq, "classified", p, p, flags, "test", distances=far)


def test_typical_tiles_are_nearest_the_median_and_the_least_typical_farthest_from_it() -> None:
    nan = float("nan")
    results = [
        result(0, 0.50, 0.52, nan, distances=(1.0, 2.0, nan)),
        result(1, 0.90, 0.95),
        result(2, 0.49, 0.51),
        result(3, 0.05, 0.50),
        result(4, 0.51, 0.50),
        result(5, 0.0, 1.0),  # left out
    ]
    median, chosen = choose_tiles(results, left_out={5})
    assert median == pytest.approx(0.505)
    typical, least = ([one for one in chosen if one.group == group] for group in ("typical", "least typical"))
    assert [(one.seq, one.tile) for one in typical] == [(0, 0), (2, 1), (3, 1)]
    assert [(one.seq, one.tile) for one in least] == [(3, 0), (1, 1), (0, 1)]
    assert (typical[0].distance, typical[1].distance) == (1.0, None)
    assert choose_tiles(results[-1:], left_out={5})[1] == []


def test_a_tile_is_shown_as_it_was_classified_and_its_saliency_over_it(section: Path) -> None:
    store = open_store(section)
    seen: list[NDArray[np.uint16]] = []

    def saliency(tile: NDArray[np.uint16]) -> NDArray[np.float32]:
        seen.append(tile)
        return np.ones(tile.shape, np.float32)

    _, tiles = choose_tiles([result(2, 0.5)], ())
    found = tile_figures(store, tiles, saliency, (0.0, 1.0), 0.5)
    np.testing.assert_array_equal(seen[0], store.read(2).pixels)
    assert [one.caption for one in (*found.tiles, *found.overlays)] == [
        "field 2, tile 0: probability 0.50",
        "field 2: saliency",
    ]
    assert found.tiles[0].size_px == (256, 256)
    assert found.tiles[0].picture != found.overlays[0].picture

    def refuses(_tile: NDArray[np.uint16]) -> NDArray[np.float32]:
        raise ModelError("it has no gradient")

    refused = tile_figures(store, tiles, refuses, (0.0, 1.0), 0.5)
    assert (len(refused.tiles), refused.overlays) == (1, ())
    assert refused.problems == ("there is no saliency: it has no gradient",)


def test_a_map_of_zeros_stays_one() -> None:
    assert relative_saliency(np.zeros((4, 4), np.float32)).max() == 0


# ---- how the microscope was -----------------------------------------------------------------------------------------


def test_settings_and_shading_are_those_of_the_store(tmp_path: Path) -> None:
    rows = dict(setting_rows(open_store(stored_section(tmp_path))))
    assert rows["exposure"] == "10.1 to 11.1 ms"
    assert rows["EM gain"] == "300"
    assert rows["temperature of the camera"] == "-70.5 °C"
    assert rows["objective"] == "HC PL 20x/0.40 µ"
    assert rows["a tile is left out"].startswith("no tissue: less than 50 % of it textured; out of focus: focus below")
    assert shading_rows(open_store(tmp_path / "M1_S1.ome.zarr")) == [("correction before classification", "none")]
    damaged = stored_section(tmp_path, section_id="S3")
    change_spec(damaged, provenance={"shading": "corrected", "shading_dark": "{}"})
    assert dict(shading_rows(open_store(damaged)))["dark field"] == "not recorded"


def test_an_import_is_named_with_its_conversion(tmp_path: Path) -> None:
    sources = [{"path": f"C:\\x\\a{n}.tif", "format": "TIFF", "images": 2} for n in range(11)]
    conversion = {"colour": "od", "float_range": [0, 1]}
    facts = {"import_sources": json.dumps(sources), "import_conversion": json.dumps(conversion)}
    store = stored_section(tmp_path, sampling="imported", provenance={**facts, "import_pixel_size": "given"})
    rows = dict(setting_rows(open_store(store)))
    assert rows["imported from"].startswith("a0.tif, a1.tif")
    assert rows["imported from"].endswith("a9.tif and 1 more (22 images, TIFF)")
    assert rows["colour"].startswith("colour images, converted by od")
    assert rows["floating-point numbers"] == "0 is no light, 1 is full scale"
    assert rows["pixel size of the images"] == "given at the import"
    for damaged in ("[1]", "[" * 10_000, "null"):
        assert import_record({**facts, "import_sources": damaged}) is None


def test_searches_without_a_focus_are_named(tmp_path: Path) -> None:
    store = open_store(stored_section(tmp_path, tile_px=30))
    score = present_score(store)
    rows, warnings = focus_rows(store, score)
    assert rows == [
        ("tiles out of focus, not in the score", "4"),
        ("searches", "not known: the store has no log of its run"),
    ]
    assert warnings == []
    log = RunLogWriter(store.path, pytest.fail)
    for n, accepted in enumerate((True, False)):
        facts = {
            "accepted": accepted, "reason": "focused" if accepted else "no tissue", "z_um": 5.0, "began_um": 4.0,
            "judged_tiles": 0, "tiles": 4, "around_um": None, "curve": [], "mode": "every_k", "field": n,
        }  # fmt: skip
        log.add(RunEvent(NOW + timedelta(seconds=n), "focus", facts))
    log.close()
    rows, warnings = focus_rows(store, score)
    assert dict(rows)["searches"] == "2, of which 1 found the focus"
    assert dict(rows)["without a focus, at field 1"].startswith("no focus was found")
    assert warnings == ["1 search found no focus"]


def test_what_the_card_states_differently_now_is_a_row(section: Path) -> None:
    card = read_card(models_dir() / MODEL)
    text = page_text(section, model=ReportModel(card, "temperature 1 then, 2 now"))
    assert "its card differs since the run" in text
    assert "temperature 1 then, 2 now" in text
    assert "There is no saliency: it takes the model, which was not given." in text


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the picture for slides, which takes half a second and has tests of its own."""
    monkeypatch.setattr("hcc_scope.report.section.draw_overview", lambda _sections, path, **_: path.write_bytes(b""))


@pytest.fixture
def animals(tmp_path: Path, no_picture: None) -> Path:
    """Two animals, one of them with a section in a folder below."""
    folder = tmp_path / "sections"
    (folder / "below").mkdir(parents=True)
    stored_section(folder, "M1", "S1")
    stored_section(folder / "below", "M1", "S2", mean=0.6)
    stored_section(folder, "M2", "S 1")
    return folder


def test_the_command_reports_each_section_and_each_animal(animals: Path) -> None:
    done = cli("report", animals, "--json")
    assert done.code == 0, done.err
    names = [one["name"] for one in done.json["reports"]]
    assert names == ["M1, section S1", "M1, section S2", "M2, section S 1", "animal M1", "animal M2"]
    for name in ("M1_S1", "below/M1_S2", "M1", "M2_S 1", "M2"):
        assert all(LINE in sheet for sheet in pages_of(animals / f"{name}-report.pdf")), name
    page = (animals / "M1-report.html").read_text(encoding="utf-8")
    for words in (
        "<h1>Animal M1</h1>",
        '<a href="M1_S1-report.html">S1</a>',
        '<a href="below/M1_S2-report.html">S2</a>',
        '<p class="score">0.6',
        "Mean of 2 sections 0.6",
        "<h2>Section S2</h2>",
        "M1_S2.ome.zarr: frames sha256 (frames.jsonl)",
    ):
        assert words in page
    assert '<a href="M2_S%201-report.html">' in (animals / "M2-report.html").read_text(encoding="utf-8")


def test_a_section_that_cannot_be_read_keeps_no_other_from_its_report(animals: Path, tmp_path: Path) -> None:
    (animals / "M1_S1.ome.zarr" / "zarr.json").write_text("{}")
    out = tmp_path / "out"
    done = cli("report", animals, "--out", out, "--no-pdf", "--json")
    assert done.code == 35
    assert len(done.json["problems"]) == 1
    assert sorted(path.name for path in out.glob("*.html")) == [
        "M1-report.html", "M1_S2-report.html", "M2-report.html", "M2_S 1-report.html",
    ]  # fmt: skip
    assert not list(out.glob("*.pdf"))
    assert "M1_S1.ome.zarr is not in this report" in (out / "M1-report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [("none", 30, "There is no store or folder at"), ("empty", 30, "holds no section"), ("taken", 2, "the same name")],
)
def test_what_cannot_be_reported_is_refused_before_anything_is_written(
    animals: Path, tmp_path: Path, place: str, code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    stored_section(tmp_path / "taken" / "a")
    stored_section(tmp_path / "taken" / "b")
    done = cli("report", animals, tmp_path / place, "--out", tmp_path / "out")
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.err
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_a_report_never_goes_into_a_store(animals: Path) -> None:
    store = animals / "M1_S1.ome.zarr"
    before = fingerprint(store)
    done = cli("report", store, "--out", store / "reports")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "lies inside a store" in done.err
    with pytest.raises(UsageError, match="lies inside a store"):
        write_section_report(store, store)
    write_section_report(store)
    assert fingerprint(store) == before


def test_a_field_that_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    store = stored_section(tmp_path, ended=False, provenance={"decision_threshold": None})
    (store / "frames" / "0" / "c" / "2" / "0" / "0").unlink()
    page = page_text(store)
    assert "1 field not drawn: " in page
    assert "0.5, assumed: none is recorded" in page


def test_an_animal_never_takes_the_place_of_a_section(tmp_path: Path, no_picture: None) -> None:
    folder = tmp_path / "sections"
    stored_section(folder, "a", "b")
    stored_section(folder, "a_b", "c")
    last = {one.name: one.error for one in write_reports([folder], pdf=False)}
    assert isinstance(last["animal a_b"], UsageError)
    assert "Section b of animal a" in (folder / "a_b-report.html").read_text(encoding="utf-8")


def test_a_folder_that_takes_no_report_is_one_sentence(animals: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritableError, match=r"The report .* cannot be written"):
        write_section_report(animals / "M1_S1.ome.zarr", tmp_path / "file", pdf=False)
