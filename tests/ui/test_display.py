"""Why the window cannot be opened, found out before Qt ends the process."""

from __future__ import annotations

import sys

import pytest

from hcc_scope.errors import UsageError
from ui.kit import display
from ui.kit.display import check_display

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")


def refusal(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, missing: list[str], answers: bool = True
) -> UsageError:
    monkeypatch.setattr(display, "missing_libraries", lambda *_: missing)
    monkeypatch.setattr(display, "answers", lambda _display: answers)
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
    monkeypatch.setattr(display, "answers", lambda _display: True)
    check_display(environment)


def test_an_unused_display_does_not_answer():
    assert not display.answers(":987")


def test_where_wayland_works_nothing_of_x_is_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(display, "missing_libraries", lambda files, _own: ["x"] if "xcb" in str(files[-1]) else [])
    check_display({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"})
    with pytest.raises(UsageError, match="x is missing"):
        check_display({"DISPLAY": ":0"})
    with pytest.raises(UsageError, match="x is missing"):
        check_display({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0", "QT_QPA_PLATFORM": "xcb"})
