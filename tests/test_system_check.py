"""Whatever pip cannot install is found before an installation; each finding names in one line what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hcc_scope import system_check
from hcc_scope.system_check import Machine, check_machine, main, qt_obstacle
from hcc_scope.system_libraries import (
    QT_LIBRARIES,
    WAYLAND_LIBRARIES,
    X11_LIBRARIES,
    describe_packages,
    missing_libraries,
    needed_libraries,
    qt_files,
    qt_folder,
)

ROOT = Path(__file__).resolve().parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="Qt's wheels bring everything on other systems")
ANY_LINUX = {"libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6"}

NEEDS = {
    "plugin.so": ["libQt.so", "libxcb-cursor.so.0"],
    "libQt.so": ["libEGL.so.1", "libc.so.6", "libxkbcommon-x11.so.0"],
}


def loader(*lost: str, of_another: dict[str, str] | None = None):
    def load(name: str) -> None:
        if name in lost:
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")
        if name in (of_another or {}):
            raise OSError(f"{of_another[name]}: cannot open shared object file: No such file or directory")

    return load


def found(tmp_path: Path, load: object) -> list[str]:
    (tmp_path / "libQt.so").touch()  # comes with the plugin, so it is looked into
    return missing_libraries([tmp_path / "plugin.so"], tmp_path, load, lambda file: NEEDS.get(file.name, []))


def test_every_missing_library_is_found_not_the_first_alone(tmp_path: Path):
    assert found(tmp_path, loader()) == []
    assert found(tmp_path, loader("libEGL.so.1", "libxcb-cursor.so.0")) == ["libEGL.so.1", "libxcb-cursor.so.0"]


def test_of_a_library_that_is_there_the_one_it_lacks_is_named(tmp_path: Path):
    load = loader(of_another={"libxkbcommon-x11.so.0": "libxcb-xkb.so.1"})
    assert found(tmp_path, load) == ["libxcb-xkb.so.1"]


@pytest.mark.parametrize("text", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 60, b"#!/bin/sh\n"])
def test_what_is_no_library_needs_nothing(tmp_path: Path, text: bytes):
    file = tmp_path / "odd.so"
    file.write_bytes(text)
    assert needed_libraries(file) == []
    assert needed_libraries(tmp_path / "none.so") == []


@linux
def test_the_lists_are_what_qts_own_files_need():
    folder = qt_folder()
    assert folder is not None
    needed: dict[str | None, set[str]] = {}
    for plugin in (None, "libqxcb.so", "libqwayland.so"):
        asked: set[str] = set()
        missing_libraries(qt_files(folder, plugin), folder / "Qt" / "lib", asked.add)
        needed[plugin] = {name for name in asked if not name.startswith("ld-linux")} - ANY_LINUX
    assert needed[None] == set(QT_LIBRARIES)
    assert needed["libqxcb.so"] - needed[None] == set(X11_LIBRARIES)
    assert needed["libqwayland.so"] - needed[None] == set(WAYLAND_LIBRARIES)


def test_every_library_has_its_packages():
    libraries = [*QT_LIBRARIES, *X11_LIBRARIES, *WAYLAND_LIBRARIES]
    assert "search" not in describe_packages(libraries)
    assert describe_packages([]) == ""
    assert describe_packages(["libodd.so.2"]) == "Your system's package search shows which package has libodd.so.2"


def machine(**changes: object) -> Machine:
    good = Machine("linux", (3, 12, 4), ("glibc", "2.36"), 20 * 2**30, lambda name: True, lambda name: None)
    return good._replace(**changes)


def lines(**changes: object) -> list[tuple[bool, str]]:
    return [(finding.stops, finding.line) for finding in check_machine(machine(**changes))]


def test_a_computer_with_everything_lacks_nothing(capsys: pytest.CaptureFixture[str]):
    for system in ("linux", "darwin", "win32"):
        assert check_machine(machine(system=system)) == []
    assert main([], machine()) == 0
    assert capsys.readouterr().out == "This computer has everything that HCC-Scope needs.\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"python": (3, 9, 2)}, "needs Python 3.11 or newer, this is 3.9.2"),
        ({"has_module": lambda name: name == "venv"}, "sudo apt install python3.12-venv (Debian, Ubuntu)"),
        ({"libc": ("", "")}, "glibc only"),
        ({"libc": ("glibc", "2.17")}, "need glibc 2.28 or newer, this system has 2.17"),
        ({"free_bytes": 2**30}, "need 3 GiB, and 1.0 GiB are free"),
    ],
)
def test_what_stops_an_installation(changes: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]):
    ((stops, line),) = lines(**changes)
    assert stops
    assert message in line
    assert "\n" not in line
    assert main(["--quiet"], machine(**changes)) == 1
    assert capsys.readouterr().err == f"Error: {line}.\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"libc": ("glibc", "2.31")}, "make CONSTRAINTS= setup"),
        ({"free_bytes": 4 * 2**30}, "a CUDA build of PyTorch needs 6 GiB"),
        (
            {"load": loader("libEGL.so.1")},
            "cannot open without libEGL.so.1 (everything else works): sudo apt",
        ),
    ],
)
def test_what_only_gives_a_note(changes: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]):
    ((stops, line),) = lines(**changes)
    assert not stops
    assert message in line
    assert main([], machine(**changes)) == 0
    assert capsys.readouterr().err == f"Note: {line}.\n"
    assert main(["--quiet"], machine(**changes)) == 0
    assert capsys.readouterr().err == ""


def test_the_readme_has_the_same_command():
    assert f"\n{system_check.CPU_SETUP}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_pip_takes_the_place_of_a_missing_ensurepip():
    assert lines(has_module=lambda name: name != "ensurepip") == []


def test_space_does_not_matter_where_the_environment_is_there(tmp_path: Path):
    assert Machine.here(tmp_path).free_bytes is None
    assert Machine.here(tmp_path / "a" / "b").free_bytes > 0
    assert lines(free_bytes=None) == []


def test_one_way_to_a_screen_is_enough():
    assert lines(load=loader(*WAYLAND_LIBRARIES)) == lines(load=loader(*X11_LIBRARIES)) == []
    ((_, line),) = lines(load=loader(*WAYLAND_LIBRARIES, "libxcb-cursor.so.0"))
    assert "without libxcb-cursor.so.0 (everything else works): sudo apt install libxcb-cursor0 (" in line
    assert "sudo dnf install xcb-util-cursor (Fedora)" in line


def test_packages_to_install_by_a_program(capsys: pytest.CaptureFixture[str]):
    bare = machine(load=loader("libEGL.so.1", "libdbus-1.so.3", *X11_LIBRARIES), has_module=lambda name: name == "venv")
    assert main(["--debian-packages"], bare) == 0
    assert capsys.readouterr().out.split() == ["libegl1", "libdbus-1-3", "python3.12-venv"]
    assert main(["--debian-packages"], machine()) == 0
    assert capsys.readouterr().out == ""


def test_it_needs_no_installation():
    """Isolated (-I) and without site-packages (-S), as on a fresh computer."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from hcc_scope.system_check import main; main(['--quiet'])"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)


def test_without_pyside_the_line_names_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(system_check.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'hcc-scope[app]'" in str(qt_obstacle())


TWICE = """
import os, sys, pytest
for ci in ("", "true"):
    os.environ["CI"] = ci
    print(f"with {pytest.main(['-q', *sys.argv[1:]]):d}\\f")
"""
"""Run the tests twice in one process, which shares the imports."""


@linux
def test_where_qt_cannot_start_tests_of_the_window_skip_and_all_others_run(tmp_path: Path):
    (tmp_path / "libEGL.so.1").write_text("not a library")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    modules = ["tests/ui/test_display.py", "tests/ui/test_panels_status.py", "tests/test_atomic_file.py"]
    done = subprocess.run(
        [sys.executable, "-c", TWICE, *modules],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    line = (
        "the window cannot open without libEGL.so.1 (everything else works): sudo apt install libegl1 (Debian, Ubuntu)"
    )
    assert done.stdout.count("\f") == 2, done.stdout + done.stderr
    for ci, said in zip((False, True), done.stdout.split("\f"), strict=False):
        assert line in said
        assert ("with 0" in said) != ci, said
        assert ("2 skipped" in said) != ci
        assert ("2 errors" in said) == ci
        assert ci or " passed" in said
