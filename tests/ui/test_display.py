"""Why the window cannot be opened, found out before Qt ends the process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hcc_scope.errors import UsageError
from ui.kit import display
from ui.kit.display import check_display, missing_libraries, needed_libraries

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")

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


def test_qts_own_files_say_what_they_need():
    folder = display._qt_folder()
    assert folder is not None
    plugin = needed_libraries(folder / "Qt" / "plugins" / "platforms" / "libqxcb.so")
    assert "libQt6XcbQpa.so.6" in plugin
    needed = needed_libraries(folder / "Qt" / "lib" / "libQt6XcbQpa.so.6")
    assert {"libxcb-cursor.so.0", "libxcb-icccm.so.4", "libxcb-keysyms.so.1"} <= set(needed)
    asked: set[str] = set()
    missing_libraries(display._own_files(folder, "libqxcb.so"), folder / "Qt" / "lib", asked.add)
    unknown = {name for name in asked if "xcb" in name and name[: name.find(".so") + 3] not in display._PACKAGES}
    assert unknown == set()


@pytest.mark.parametrize("text", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 60, b"#!/bin/sh\n"])
def test_what_is_no_library_needs_nothing(tmp_path: Path, text: bytes):
    file = tmp_path / "odd.so"
    file.write_bytes(text)
    assert needed_libraries(file) == []
    assert needed_libraries(tmp_path / "none.so") == []


def refusal(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, missing: list[str], answers: bool = True
) -> UsageError:
    monkeypatch.setattr(display, "missing_libraries", lambda *_: missing)
    monkeypatch.setattr(display, "_answers", lambda _display: answers)
    with pytest.raises(UsageError) as caught:
        check_display(environment)
    return caught.value


def test_missing_libraries_are_named_with_their_packages_and_display_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch):
    text = str(refusal({"DISPLAY": ":0"}, monkeypatch, ["libxcb-cursor.so.0", "libxcb-keysyms.so.1", "libodd.so.2"]))
    assert "libraries libxcb-cursor.so.0, libxcb-keysyms.so.1, libodd.so.2 are missing" in text
    assert "sudo apt install libxcb-cursor0 libxcb-keysyms1 (" in text
    assert "sudo dnf install xcb-util-cursor xcb-util-keysyms (" in text
    assert "libodd.so.2." in text
    assert "DISPLAY" not in text
    one = str(refusal({"DISPLAY": ":0"}, monkeypatch, ["libEGL.so.1"]))
    assert "the system library libEGL.so.1 is missing" in one


@pytest.mark.parametrize(
    "environment",
    [{}, {"DISPLAY": "", "WAYLAND_DISPLAY": ""}, {"QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "wayland-0"}],
)
def test_without_a_display_the_demo_is_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    text = str(refusal(environment, monkeypatch, ["libxcb-cursor.so.0"]))
    assert "DISPLAY" in text
    assert "make demo" in text
    assert "libxcb" not in text


def test_a_screen_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch):
    text = str(refusal({"DISPLAY": "far:7"}, monkeypatch, [], answers=False))
    assert "no screen answers at DISPLAY=far:7" in text


@pytest.mark.parametrize(
    "environment", [{"QT_QPA_PLATFORM": "offscreen"}, {"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}]
)
def test_nothing_is_refused_where_nothing_is_missing(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(display, "missing_libraries", lambda *_: [])
    monkeypatch.setattr(display, "_answers", lambda _display: True)
    check_display(environment)


def test_nobody_answers_where_nothing_is():
    assert not display._answers(":987")


def test_where_wayland_works_nothing_of_x_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(display, "missing_libraries", lambda files, _own: ["x"] if "xcb" in str(files[-1]) else [])
    check_display({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"})
    with pytest.raises(UsageError, match="x is missing"):
        check_display({"DISPLAY": ":0"})
    with pytest.raises(UsageError, match="x is missing"):
        check_display({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0", "QT_QPA_PLATFORM": "xcb"})
