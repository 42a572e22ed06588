"""Walk through the window as a new user: a model of one's own to a report, with a killed window on the way.

``python -m benchmarks.walk FOLDER [WIDTHxHEIGHT]``. The real app on a screen of its own (Xvfb; with openbox if it is
there), moved by xdotool alone, in Operator mode as it opens: a model is added, an outline drawn, a section started, one
field excluded and one taken again from the map, the window killed, the section resumed, ended, found in the library,
and reported. Pictures of each step go to FOLDER; what the store holds at the end is checked.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import ImageGrab

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SIZE = "1280x720"
WAIT_S = 300.0
POLL_S = 0.1
PROGRAM = (sys.executable, "-c", "from hcc_scope.cli import main; main()")
N_FIELDS = 12
EXCLUDED, RETAKEN = 1, 2
MODEL = "my-model"
CORNERS = ((-0.5, -0.6), (0.6, -0.5), (0.5, 0.5), (-0.6, 0.6))
"""Of the outline, in half widths and heights of the map around its middle."""


class Walk:
    """One screen, and the window on it.

    Parameters
    ----------
    folder : Path
        For the pictures.
    size : str
        Of the screen, as 1280x720.
    home : Path
        The user's home folder: empty, as on a new computer.
    """

    def __init__(self, folder: Path, size: str, home: Path) -> None:
        self._folder, self._home, self._n = folder, home, 0
        self._began = time.monotonic()
        screen = ("Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp")
        self._screen = subprocess.Popen(screen, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._screen.stdout is not None
        self._display = f":{self._screen.stdout.readline().strip()}"
        here = {"HOME": str(home), "DISPLAY": self._display, "QT_QPA_PLATFORM": "xcb"}
        here |= {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
        self._environment = {**os.environ, **here}
        self._frames: subprocess.Popen[bytes] | None = None
        if shutil.which("openbox"):
            self._frames = subprocess.Popen(["openbox"], env=self._environment, stderr=subprocess.DEVNULL)
        self._window: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            self.take("where-it-stopped")
        for process in (self._window, self._frames, self._screen):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(WAIT_S)

    # -- the window ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the app, and wait until it answers."""
        command = [sys.executable, "-m", "benchmarks.walk_window"]
        began = time.monotonic()
        self._window = subprocess.Popen(
            command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask("facts")
        self.say(f"the window answers after {time.monotonic() - began:.1f} s")

    def kill(self) -> None:
        """End the app as a power cut does."""
        assert self._window is not None
        self._window.send_signal(signal.SIGKILL)
        self._window.wait()

    def end(self) -> int:
        """Close the app by its key; return its exit code."""
        assert self._window is not None
        self.key("ctrl+q")
        return self._window.wait(WAIT_S)

    def ask(self, *question: Any) -> Any:  # noqa: ANN401 - JSON
        """Ask the window something (`benchmarks.walk_window.Lookout`)."""
        assert self._window is not None
        assert self._window.stdin is not None
        assert self._window.stdout is not None
        self._window.stdin.write(json.dumps(question) + "\n")
        self._window.stdin.flush()
        ready, _, _ = select.select([self._window.stdout], [], [], WAIT_S)
        if not ready:
            raise TimeoutError(f"the window does not answer {question}")
        line = self._window.stdout.readline()
        if not line:
            raise RuntimeError(f"the window ended with exit code {self._window.wait()}")
        return json.loads(line)

    def wait(self, condition: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """Wait until something is so; return the facts."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            facts: dict[str, Any] = self.ask("facts")
            if condition(facts):
                return facts
            time.sleep(POLL_S)
        raise TimeoutError(f"waited in vain for {what}: {self.ask('facts')}")

    def find(self, words: str, kind: str = "", *, enabled: bool = True) -> tuple[int, int]:
        """Wait until something with these words is on the screen, and can be used; return its middle."""
        deadline = time.monotonic() + WAIT_S
        found = None
        while time.monotonic() < deadline:
            found = self.ask("find", words, kind)
            if found is not None and (found["enabled"] or not enabled):
                x, y, width, height = found["rect"]
                return x + width // 2, y + height // 2
            time.sleep(POLL_S)
        raise TimeoutError(f"{words!r} is not on the screen, or cannot be used ({found}): {self.ask('facts')}")

    # -- hands and eyes ------------------------------------------------------------------------------------------------

    def _do(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self._environment, check=True)

    def click_at(self, x: int, y: int, button: int = 1) -> None:
        """Click at a place of the screen."""
        self._do("mousemove", x, y)
        time.sleep(POLL_S)
        self._do("click", button)
        time.sleep(POLL_S)

    def click(self, words: str, kind: str = "") -> None:
        """Click what has these words (`benchmarks.walk_window.Lookout.find`)."""
        self.click_at(*self.find(words, kind))

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for one in keys:
            self._do("key", one)
            time.sleep(POLL_S)

    def type(self, text: str) -> None:
        """Type a text over what is selected."""
        self._do("type", "--delay", 20, text)
        time.sleep(POLL_S)

    def field_menu(self, seq: int, entry: str) -> None:
        """Choose an entry of the menu of a field on the map."""
        x, y = self.ask("field", seq)
        self.click_at(x, y, button=3)
        at = self.find(entry, "entry")
        self.take(f"menu-of-field-{seq}")
        self.click_at(*at)

    def take(self, name: str) -> None:
        """Take a picture of the screen."""
        self._n += 1
        time.sleep(0.5)
        ImageGrab.grab(xdisplay=self._display).save(self._folder / f"{self._n:02}-{name}.png")
        self.say(name)

    def say(self, words: str) -> None:
        """Print a line, with the seconds since the beginning."""
        print(f"{time.monotonic() - self._began:6.1f} s  {words}", flush=True)


def export_model(home: Path) -> Path:
    """Return the folder of a model of the user's own: the shipped one under another name."""
    subprocess.run(
        [*PROGRAM, "models", "export", "phantom-meng2019", "--out", str(home), "--name", MODEL],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return home / MODEL


def check_stored(home: Path) -> str:
    """Return what the command line states about the one section that is stored.

    Raises
    ------
    ValueError
        If it is not what the operator did.
    """
    (store,) = home.rglob("*.ome.zarr")
    done = subprocess.run([*PROGRAM, "sections", str(store.parent), "--json"], check=True, capture_output=True)
    (found,) = json.loads(done.stdout)["sections"]
    score = found["score"]
    expected = {
        "state": (found["state"], "complete"),
        "model": (found["model"], MODEL),
        "frames": (found["frames"], N_FIELDS + 1),
        "planned": (found["planned"], N_FIELDS),
        "parts": (found["parts"], 2),
        "excluded": (score["fields_excluded_by_operator"], 1),
        "set aside": (score["set_aside"], [RETAKEN]),
        "report": (len(list(store.parent.glob("*.html"))), 1),
    }
    if wrong := {name: pair for name, pair in expected.items() if pair[0] != pair[1]}:
        raise ValueError(f"stored and expected differ: {wrong}")
    return f"score {score['score']:.3f}, interval {score['interval']}, valid {score['interval_valid']}"


def walk(steps: Walk, model: Path) -> None:
    """Walk the whole way."""
    steps.open()
    steps.find("Open demo rig")
    steps.take("welcome")
    steps.click("Open demo rig")
    steps.wait(lambda facts: facts["rig"], "the rig")
    steps.take("rig")

    steps.click("Models", "tab")
    steps.click("Add a model")
    time.sleep(1)
    steps.take("add-model")
    steps.type(f"{model}\n")  # Return takes what the field offers, or the folder
    while steps.ask("find", "Choose") is not None:
        steps.click("Choose")
    steps.find(MODEL, "row")
    steps.take("model-added")
    steps.click("Use for sections")
    steps.take("model-used")

    steps.click("Section", "tab")
    steps.click("Animal id")
    steps.type("M1\tS1\t")
    steps.take("ids")
    steps.click("Edit outline")
    steps.click("Clear outline")
    x, y, width, height = steps.ask("map")
    corners = [(round(x + width * (1 + dx) / 2), round(y + height * (1 + dy) / 2)) for dx, dy in CORNERS]
    for at in (*corners, corners[0]):
        steps.click_at(*at)
    steps.take("outline")
    steps.click("Edit outline")
    steps.take("plan-in-the-outline")
    steps.click("Plan")
    steps.click("Number of random fields")
    steps.key("ctrl+a")
    steps.type(f"{N_FIELDS}\t")
    steps.take("plan-dialog")
    steps.click("OK")
    steps.take("plan")

    steps.click("Start")
    steps.wait(lambda facts: facts["classified"] > RETAKEN + 1, "the first fields")
    steps.take("fields-come")
    steps.click("Pause")
    steps.wait(lambda facts: facts["phase"] == "paused", "the pause")
    steps.field_menu(EXCLUDED, f"Exclude field {EXCLUDED}")
    steps.take("reason")
    steps.click("Exclude")
    steps.wait(lambda facts: facts["excluded"] == [EXCLUDED], "the exclusion")
    steps.field_menu(RETAKEN, f"Take field {RETAKEN} again")
    steps.take("excluded-and-asked-again")
    steps.click("Resume")
    retaken = steps.wait(lambda facts: RETAKEN not in facts["shown"], "the retake")
    steps.take("taken-again")
    steps.wait(lambda facts: facts["stored"] > retaken["stored"], "the next field")
    steps.kill()

    steps.open()
    steps.find("Resume")
    steps.take("after-the-kill")
    steps.click("Open demo rig")
    steps.wait(lambda facts: facts["rig"], "the rig")
    steps.take("rig-again")
    steps.click("Resume")
    steps.take("resume")
    steps.click("Resume")
    steps.wait(lambda facts: facts["phase"] == "running", "the section")
    steps.take("resumed")
    steps.wait(lambda facts: facts["phase"] == "idle", "the end")
    steps.take("end")

    steps.click("Library", "tab")
    steps.find("S1", "row")
    steps.take("library")
    steps.click("S1", "row")
    steps.key("Return")
    steps.wait(lambda facts: facts["opened"] and not facts["jobs"], "the section in Replay")
    steps.take("opened")
    steps.key("ctrl+shift+e")
    steps.wait(lambda facts: "The report is" in facts["notice"], "the report")
    steps.take("report")
    code = steps.end()
    steps.say(f"the window ended with exit code {code}")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        model = export_model(home)
        with Walk(folder, sys.argv[2] if len(sys.argv) > 2 else SIZE, home) as steps:
            walk(steps, model)
            steps.say(check_stored(home))


if __name__ == "__main__":
    main()
