"""The zip for a problem report: what it holds, and that no name of a person, computer or animal leaves in it."""

from __future__ import annotations

import json
import platform
import re
import socket
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.cli import doctor as command
from hcc_scope.doctor.checks import find_check
from hcc_scope.doctor.examination import examine
from hcc_scope.doctor.problem_report import Report, gather, write_report
from hcc_scope.doctor.redaction import Redactor
from hcc_scope.errors import StoreExistsError, StoreUnwritableError
from hcc_scope.resources import hardware_configs_dir
from hcc_scope.storage.writer import create_store
from hcc_scope.types import RunSpec
from tests.commands import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, HOST, ANIMAL, SECTION = "anna.mustermann", "LAB-PC7", "Ratte12x", "S7b"
NAMES = (USER, HOST, ANIMAL, SECTION)
WINDOWS_HOME = rf"C:\Users\{USER}"

REDACTOR = Redactor([USER], [HOST], [WINDOWS_HOME, f"/home/{USER}"], [(ANIMAL, SECTION), ("12", "3")])


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (rf"in {WINDOWS_HOME}\runs", r"in ~\runs"),
        (json.dumps({"out": WINDOWS_HOME + r"\runs"}), r'{"out": "~\\runs"}'),
        (f"c:/users/{USER.upper()}/runs", "~/runs"),
        (f"/c/Users/{USER}/runs and /mnt/c/Users/{USER}", "~/runs and ~"),
        (f"file:///C:/Users/{USER}/a.cfg", "file:///~/a.cfg"),
        (f"/home/{USER}/x, /home/{USER}", "~/x, ~"),
        (r"adapters_dir: D:\Users\Jörg Weiß\mm (of Jörg Weiß)", r"adapters_dir: D:\Users\USER\mm (of USER)"),
        ("/home/other/x by other", "/home/USER/x by USER"),
        (r"C:\Users\Public\Micro-Manager", r"C:\Users\USER\Micro-Manager"),
        (f"user={USER} on {HOST.lower()}.lab.example", "user=USER on HOST.lab.example"),
        (f"{USER}s are other words, and so is {HOST}2", f"{USER}s are other words, and so is {HOST}2"),
        (f"runs/{ANIMAL}_{SECTION}.ome.zarr", "runs/animal-1_section-1.ome.zarr"),
        ("runs/12_3.ome.zarr, runs/Other_9.ome.zarr", "runs/animal-2_section-2.ome.zarr, runs/section.ome.zarr"),
        ('{"animal_id": "12", "frames": 12}', '{"animal_id": "animal", "frames": 12}'),
        ("section_id: 3, animal_id: null", "section_id: section, animal_id: null"),
        ("--animal 12 --section=3", "--animal ID --section=ID"),
        ("Frame 12 belongs to section 'S99'", "Frame 12 belongs to section 'section'"),
        (f"animal_id='{ANIMAL}' gain 12", "animal_id='animal-1' gain 12"),
    ],
)  # fmt: skip
def test_names_are_taken_out_of_a_text(text: str, without: str) -> None:
    assert REDACTOR.text(text) == without


def test_a_name_is_found_however_it_is_written() -> None:
    without = Redactor(["Jörg"], [], [])
    for form in ("Jörg", "JÖRG", "Jo\u0308rg", r"J\u00f6rg", "J%C3%B6rg"):
        assert without.text(f"by {form}.") == "by USER.", form


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (r"J\xf6rg Wei\xdf", "USER"),  # of a .cfg in a code page
        ("JÃ¶rg WeiÃŸ", "USER"),
        ("JÖRG WEISS", "USER"),
        (r"\\nas7\runs\x", r"\\HOST\runs\x"),
        (r"\\.\COM3 and \\?\C:\x", r"\\.\COM3 and \\?\C:\x"),
        ("smb://nas7/runs", "smb://HOST/runs"),
        ("# j.weiss@lab.example, 20x@0.5NA", "# USER@HOST, 20x@0.5NA"),
    ],
)
def test_names_of_old_files_and_networks(text: str, without: str) -> None:
    assert Redactor(["Jörg Weiß"]).text(text) == without


def test_a_name_beyond_the_code_page_garbles_no_number() -> None:
    assert Redactor(["Иван1"]).text("1 frame by Иван1, in 1 s") == "1 frame by USER, in 1 s"


def test_json_lines_end_at_line_feeds_alone() -> None:
    line = json.dumps({"a": "one\u2028two"}, ensure_ascii=False) + "\n"
    assert Redactor().file("run_log.jsonl", line) == line


def test_json_keeps_its_numbers_and_names_of_values() -> None:
    ids = [("frames", "1e5"), ("a", "true"), ("12", "3"), ("Ratte12x", "null")]
    value = {
        "frames": 12,
        "complete": True,
        "rate": 1e5,
        "nothing": None,
        "a": [3, 12.5, "a frame of Ratte12x"],
        "animal_id": "12",
        "section": "true",
        "of": r"\\nas7\home\eva\Ratte12x_null.ome.zarr",
        "plan": '{"frames": 3, "by": "Eva"}',
    }
    without = Redactor(["Ratte"], ids=ids)
    without.learn(json.dumps(value))
    found = without.file("facts.json", json.dumps(value))
    assert json.loads(found) == {
        **value,
        "a": [3, 12.5, "a frame of animal-4"],
        "animal_id": "animal-3",
        "section": "section-2",
        "of": r"\\HOST\home\USER\animal-4_section-4.ome.zarr",
        "plan": '{"animal-1": 3, "by": "USER"}',
    }
    lines = without.file("run_log.jsonl", '{"animal": "12"}\n{"cut off in sect')
    assert lines == '{"animal": "animal-3"}\n{"cut off in sect\n'
    assert without.text("Section 3 of animal 12: 3 of 12") == "Section of animal: 3 of 12"


def test_the_ids_of_all_sections_of_the_folder_are_taken_out(tmp_path: Path) -> None:
    for animal, section in (("Maus1", "S1"), ("Maus2", "7"), ("Maus3", "S3")):
        create_store(tmp_path, RunSpec((8, 8), 16, 0.3, animal, section)).close()
    log = "Maus1 is stored, section 7 of Maus2 is not, nor 7 frames of S3\n"
    report = gather([], rig=None, out_dir=tmp_path, log=log, with_ids=False)
    found = report.files["logs/doctor.log"]
    assert re.sub(r"-\d+", "-n", found) == "animal-n is stored, section of animal-n is not, nor 7 frames of section-n\n"


def test_a_person_is_known_from_any_of_the_texts() -> None:
    without = Redactor()
    without.learn(r"D:\Users\eva.k\mm")
    assert without.text("# by eva.k") == "# by USER"


def test_the_root_of_a_disk_is_no_home() -> None:
    assert Redactor([], [], ["/", "C:\\"]).text("/etc C:\\x") == "/etc C:\\x"


# --- the zip ---


def planted(folder: Path) -> Path:
    """Make a rig and a section, with names wherever a name may stand; return the rig file."""
    cfg = folder / "rig.cfg"
    text = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8")
    cfg.write_text(f"# by {USER} on {HOST}, in {WINDOWS_HOME}\n{text}", encoding="utf-8")
    rig = folder / f"{USER}.rig.yaml"
    rig.write_text(f"config: rig.cfg\nadapters_dir: /home/{USER}/mm # not C:\\Users\\{USER}\\mm\n", encoding="utf-8")
    sink = create_store(folder, RunSpec((8, 8), 16, 0.3, ANIMAL, SECTION, provenance={"by": USER}))
    sink.close()
    (sink.path / "run_log.jsonl").write_text(json.dumps({"animal": ANIMAL, "home": WINDOWS_HOME}), encoding="utf-8")
    summary = {"sections": [{"animal_id": ANIMAL, "section_id": SECTION, "store": str(sink.path)}]}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "hcc-scope-bug-1.txt").write_text(f'File "/home/{USER}/x.py"\nstore {ANIMAL}_{SECTION}', encoding="utf-8")
    return rig


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, dict[str, str]]]:
    """Return the texts of the zip, by name, without names (False) and with them (True)."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield texts_of_zip(tmp_path_factory.mktemp("packed"), monkeypatch)


def texts_of_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[bool, dict[str, str]]:
    home = tmp_path / "home" / USER
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for variable in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(variable, USER)
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(home))
    monkeypatch.setattr(Path, "home", lambda: home)
    rig = planted(home)
    few = tuple(find_check(name) for name in ("versions", "adapters", "free_space"))
    monkeypatch.setattr(command, "examine", partial(examine, checks=few))
    texts: dict[bool, dict[str, str]] = {}
    for with_ids in (False, True):
        file = tmp_path / f"report-{with_ids}.zip"
        done = cli("doctor", "--rig", rig, "--out", home, "--zip", file, *(["--with-ids"] if with_ids else []))
        assert done.code == 11, done.err  # the folder of adapters is not there
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            texts[with_ids] = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "report-False.zip", "report-True.zip"]
    return texts


def test_no_planted_name_is_in_the_zip_unless_it_was_asked_for(packed: dict[bool, dict[str, str]]) -> None:
    everything = "\n".join(f"{name}\n{text}" for name, text in packed[False].items()).lower()
    for name in (*NAMES, "c:\\users\\a", "/home/a"):
        assert name.lower() not in everything
    asked = "\n".join(f"{name}\n{text}" for name, text in packed[True].items())
    for name in NAMES:
        assert name in asked


def test_the_zip_holds_what_a_report_needs(packed: dict[bool, dict[str, str]]) -> None:
    texts = packed[False]
    assert set(texts) >= {
        "README.txt",
        "doctor.txt",
        "doctor.json",
        "versions.json",
        "rig/USER.rig.yaml",
        "rig/rig.cfg",
        "logs/bug-1.txt",
        "last_run/summary.json",
        "last_run/facts.json",
        "last_run/run_log.jsonl",
    }
    assert json.loads(texts["doctor.json"])["checks"][0]["verdict"] == "pass"
    assert json.loads(texts["versions.json"])["packages"]["numpy"] == np.__version__
    assert json.loads(texts["last_run/facts.json"])["spec"]["animal_id"] == "animal-1"
    assert "Device,Camera,DemoCamera,DCam" in texts["rig/rig.cfg"], "what is no name stays"
    assert "~" in texts["doctor.json"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(b"mine")
    done = cli("doctor", "--zip", file)
    assert done.code == StoreExistsError.exit_code
    assert "never overwritten" in done.err
    with pytest.raises(StoreExistsError):
        write_report(Report({"a.txt": "a"}), file)
    assert file.read_bytes() == b"mine"
    assert cli("doctor", "--zip", tmp_path / "no" / "report.zip").code == StoreUnwritableError.exit_code
    assert cli("doctor", "--with-ids").code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report.zip"]
