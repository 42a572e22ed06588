"""Draw the pictures of the app: every tab in both modes and themes, of real sections on the demo rigs.

``python -m benchmarks.screenshots FOLDER [WIDTHxHEIGHT [demo|by-hand]]``; needs no screen
(``QT_QPA_PLATFORM=offscreen``), and is the same with one.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PIL import Image, ImageColor
from PySide6.QtWidgets import QApplication

from hcc_scope.by_hand import screen_word
from hcc_scope.runs import simulated_hand
from ui.app import App
from ui.canvas.drawing import heat_argb
from ui.control.section_request import PlanChoice
from ui.kit.theme import apply_theme, colours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PySide6.QtWidgets import QWidget

    from hcc_scope.by_hand import HandView
    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.phantom import Specimen
    from hcc_scope.phantom.hand import Stop
    from hcc_scope.phantom.hand_motion import Pose
    from hcc_scope.phantom.hand_play import Ask, PlayedHand, Screen
    from ui.kit.mode import ModeName
    from ui.kit.theme import ThemeName

SIZE = (1440, 900)
WAIT_S = 120.0
SETTLE_S = 0.7
SEED = 1
FIELDS = 24
BY_HAND_FIELDS, BY_HAND_S = 9, 1200.0
DRIVEN = 150
"""Live frames after which a part of the way round the section is driven."""
OF_WIDGETS = 144
OF_HEAT = 32
THEMES: tuple[ThemeName, ...] = ("dark", "light")
SECTIONS: tuple[tuple[str, str, Literal["low", "high"]], ...] = (("M7", "S1", "high"), ("M7", "S2", "high"))


class Camera:
    """Drives the app as an operator would, and takes pictures."""

    def __init__(self, folder: Path, size: tuple[int, int], scratch: Path) -> None:
        self.folder, self._size, self._scratch = folder, size, scratch
        self.app = App.make(scratch / "settings")
        self.app.setup.change(out_dir=scratch / "sections", plan=PlanChoice(n_fields=FIELDS))
        self.window = self.app.window
        self.window.resize(*size)
        self.window.reset_layout()
        self.app.views.make_room(size[1])
        self.app.begin()

    def wait(self, condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
        """Let the window live until something is so."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: {self.window.notice.text}")
            QApplication.processEvents()
            time.sleep(0.005)

    def _all_classified(self) -> bool:
        snapshot = self.app.state.snapshot
        return snapshot is not None and snapshot.counts.pending == snapshot.counts.deferred == 0

    def settle(self) -> None:
        """Let what is slow to paint be painted."""
        until = time.monotonic() + SETTLE_S
        self.wait(lambda: time.monotonic() > until and not self.app.jobs.n_open, "quiet")

    def take(self, name: str, widget: QWidget | None = None, themes: tuple[ThemeName, ...] = THEMES) -> None:
        """Take a picture in each theme."""
        for theme in themes:
            self.window.set_theme(theme)
            self.settle()
            self.window.notice.put_away()
            path = self.folder / f"{name}-{theme}.png"
            (widget or self.window).grab().save(str(path), "PNG")
            with Image.open(path) as picture:
                few = _with_few_colours(picture.convert("RGB"), theme)
            few.save(path, optimize=True)
        self.window.set_theme("dark")

    def mode(self, mode: ModeName) -> None:
        """Change to Operator or Expert mode."""
        if self.window.mode != mode:
            self.window.actions_["expert"].trigger()

    def section(self, animal: str, section: str, specimen: str) -> None:
        """Start a section and wait for its first fields."""
        top = self.window.top
        top.animal.set_value(animal)
        top.section.set_value(section)
        top.specimen.setCurrentText(f"Phantom, {specimen}")
        assert top.specimen.currentText().endswith(specimen)
        self.app.setup.change(seed=SEED)  # the same pictures every time
        self.wait(lambda: self.window.actions_["start"].isEnabled(), self.app.action_states.missing)
        self.window.actions_["start"].trigger()

    def tab(self, name: str) -> None:
        """Open a tab by its title."""
        tabs = self.window.tabs
        tabs.setCurrentIndex([tabs.tabText(i) for i in range(tabs.count())].index(name))

    def run(self) -> None:
        """Take them all."""
        app = self.app
        self.settle()
        self.window.resize(*self._size)  # also where the screen, which bounds the first size, is none
        self.settle()
        self.take("welcome")
        app.commands.open_rig("demo")
        self.wait(lambda: app.state.rig is not None, "the rig")
        *_, (animal, section, specimen) = SECTIONS
        for animal, section, specimen in SECTIONS:
            self.section(animal, section, specimen)
            self.wait(lambda: app.run.run is not None, "the section")
            self.wait(
                lambda: app.state.snapshot is not None and app.state.snapshot.counts.classified >= FIELDS // 2, "it"
            )
            if section == SECTIONS[-1][1]:
                app.run.pause(True)
                self.wait(lambda: app.state.snapshot is not None and app.state.snapshot.paused, "the pause")
                self.wait(self._all_classified, "the analysis, so that picture and numbers are of one field")
                self.tab("Section")
                self.take("section")
                self.mode("expert")
                self.tab("Live")
                self.take("live")
                self.tab("Section map")
                self.take("map")
                self.mode("operator")
                app.run.pause(False)
            self.wait(lambda: not app.run.active, "its end")
        self.window.notice.put_away()
        self._take_both("Tiles", "tiles")
        app.commands.open_one_store(str(app.run.last_store))
        self.wait(lambda: app.views.replay.opened is not None, "the store")
        self._take_both("Replay", "replay")
        app.library.show()
        self.take("library")
        self.tab("Models")
        self.wait(lambda: app.model_check.fit is not None, "the model beside the rig")
        self.take("models")

    def _take_both(self, tab: str, name: str) -> None:
        """Take a tab in both modes; the page shows the pictures of Expert mode under the plain name."""
        self.tab(tab)
        self.take(f"{name}-operator")
        self.mode("expert")
        self.tab(tab)
        self.take(name)
        self.mode("operator")

    def run_by_hand(self) -> None:
        """Take those of a section by hand, which a simulated hand plays at the pace of a person."""
        app, dark = self.app, THEMES[:1]
        hands = _let_hands_slip()
        app.commands.open_rig("demo-by-hand")
        self.wait(lambda: app.rig.loaded is not None and app.views.by_hand, "the rig")
        self.wait(lambda: app.state.rig is not None, "its state")
        app.setup.change(plan=PlanChoice("guided", n_fields=BY_HAND_FIELDS))
        self.section("M7", "S3", "simulated hand")

        def came(condition: Callable[[HandView], object], what: str) -> None:
            def so() -> object:
                if not app.run.active:
                    raise RuntimeError(f"{what}: {self.window.notice.text}")
                return app.state.hand is not None and condition(app.state.hand)

            self.wait(so, what, BY_HAND_S)

        came(lambda view: view.n_seen > DRIVEN, "the drive round")
        self.take("by-hand-drive", themes=dark)
        came(lambda view: view.guidance is not None and view.guidance.n_reached >= BY_HAND_FIELDS // 3, "fields")
        came(lambda view: screen_word(view)[0] == "off target", "the way to the next")
        self.take("by-hand-guided")
        hands[-1].slips = True
        came(lambda view: view.verdict.word == "lost", "the loss")
        self.take("by-hand-lost", themes=dark)
        hands[-1].slips = False
        came(lambda view: view.phase == "done", "the last field")
        self.take("by-hand-done", themes=dark)
        self.wait(lambda: not app.run.active, "its end", BY_HAND_S)

    def close(self) -> None:
        """Close the window and release everything."""
        self.app.run.skip_analysis()
        self.wait(lambda: not self.app.run.active, "the section")
        self.app.shutdown.ask()
        self.wait(lambda: not self.window.isVisible(), "the window")
        self.app.end()


class SlippingHand:
    """A hand that slips off to a place that was not seen yet while `slips`; else it is another hand."""

    def __init__(self, hand: PlayedHand) -> None:
        self._hand = hand
        self.slips = False

    def next(self, screen: Screen) -> Pose:
        """Return the pose of the next live frame."""
        pose = self._hand.next(screen)
        return dataclasses.replace(pose, x_um=pose.x_um / 4, y_um=pose.y_um / 4) if self.slips else pose

    @property
    def over(self) -> bool:
        """Whether the hand is done."""
        return self._hand.over

    @property
    def stops(self) -> Sequence[Stop]:
        """Where it rested so far."""
        return self._hand.stops

    def take_asks(self) -> list[Ask]:
        """Return what it has asked for since it was last asked."""
        return self._hand.take_asks()


def _let_hands_slip() -> list[SlippingHand]:
    """Have the simulated hands of this process slip on request; returns them as they are made."""
    made: list[SlippingHand] = []
    play = simulated_hand.simulated_hand

    def slipping(
        microscope: MicroManager, specimen: Specimen, seed: int, *, n_fields: int, guided: bool
    ) -> simulated_hand.SimulatedHand:
        played = play(microscope, specimen, seed, n_fields=n_fields, guided=guided)
        made.append(SlippingHand(played.operator.hand))
        played.operator.hand = made[-1]
        return played

    simulated_hand.simulated_hand = slipping  # type: ignore[assignment]  # the window plays in ideal light
    return made


def _with_few_colours(picture: Image.Image, theme: ThemeName) -> Image.Image:
    """Return a picture of 256 colours, a third of the size: those of the theme as they are, the rest nearly so."""
    found = picture.getcolors(picture.width * picture.height) or []
    named = [ImageColor.getrgb(colour) for colour in dataclasses.astuple(colours(theme))]
    # the heatmap's bar is small: a colour of its own for each step, over the window's
    ground = np.array(ImageColor.getrgb(colours(theme).window))
    heat = heat_argb(np.linspace(0, 1, OF_HEAT, dtype=np.float32), 0.45).astype(float)
    named += [tuple(row) for row in (ground + (heat[:, :3] - ground) * heat[:, 3:] / 255).round().astype(int).tolist()]
    widgets = [*named, *(colour for _, colour in sorted(found, reverse=True))][:OF_WIDGETS]
    rest = picture.quantize(256 - OF_WIDGETS).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        [part for colour in widgets for part in cast("tuple[int, ...]", colour)] + rest[: 3 * (256 - OF_WIDGETS)]
    )
    few = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    # Pillow takes a colour near the nearest one; those of the theme are put back as they are
    colour_ids, places = np.unique(_colour_ids(np.array(named)), return_index=True)
    wanted, indices = _colour_ids(np.asarray(picture)), np.array(few)
    found_at = np.minimum(np.searchsorted(colour_ids, wanted), len(colour_ids) - 1)
    exact = colour_ids[found_at] == wanted
    indices[exact] = places[found_at[exact]]
    exactly = Image.fromarray(indices)
    exactly.putpalette(few.getpalette() or [])
    return exactly


def _colour_ids(rgb: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return one number for each colour of (..., 3)."""
    red, green, blue = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return np.asarray(65536 * red + 256 * green + blue)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots")
    width, height = (int(part) for part in sys.argv[2].split("x")) if len(sys.argv) > 2 else SIZE
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication(sys.argv[:1])
    apply_theme(app, "dark")
    with tempfile.TemporaryDirectory() as scratch:
        camera = Camera(folder, (width, height), Path(scratch))
        try:
            if "by-hand" not in sys.argv[3:]:
                camera.run()  # first: it begins with the welcome page
            if "demo" not in sys.argv[3:]:
                camera.run_by_hand()
        finally:
            camera.close()
    print(f"The pictures are in {folder}")


if __name__ == "__main__":
    main()
