"""All actions of the window, as a table: what each is called, what it does, its menu, key and icon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ui.kit.icons import IconName

__all__ = ["MENUS", "SPECS", "ActionName", "ActionSpec", "Menu"]

ActionName = Literal[
    "open_store",
    "import",
    "choose_folder",
    "recover",
    "export_view",
    "export",
    "report",
    "welcome",
    "quit",
    "open_demo",
    "open_rig",
    "reconnect",
    "new_rig",
    "close_rig",
    "live",
    "snap",
    "references",
    "emergency",
    "start",
    "continue",
    "resume",
    "pause",
    "stop",
    "skip_analysis",
    "exclude",
    "include",
    "note",
    "show_field",
    "show_tile",
    "show_on_map",
    "exclude_field",
    "include_field",
    "retake_field",
    "note_field",
    "go_to_field",
    "copy_position",
    "plan",
    "load_plan",
    "save_plan",
    "export_positions",
    "ids",
    "library_open",
    "library_report",
    "library_animal_report",
    "library_classify",
    "library_compare",
    "library_export_as",
    "library_export",
    "library_low",
    "library_high",
    "library_leave_out",
    "library_no_label",
    "library_resume",
    "library_recover",
    "library_folder",
    "mark_here",
    "go_there",
    "step_left",
    "step_right",
    "step_up",
    "step_down",
    "quick_scan",
    "forget_overview",
    "expert",
    "add_model",
    "use_model",
    "test_model",
    "time_engines",
    "remove_model",
    "theme",
    "pause_after",
    "alert_sound",
    "notifications",
    "capture_sound",
    "capture_flash",
    "full_screen",
    "panels",
    "reset_layout",
    "label_low",
    "label_high",
    "label_out",
    "manifest",
    "training",
    "qc",
    "doctor",
    "shortcuts",
    "about",
]
"""The key of each action."""
Menu = Literal["file", "rig", "section", "field", "map", "library", "model", "view", "help"]
MENUS: dict[Menu, str] = {
    "file": "File",
    "rig": "Rig",
    "section": "Section",
    "field": "Fie&ld",
    "map": "Map",
    "library": "Li&brary",
    "model": "M&odel",
    "view": "View",
    "help": "Help",
}
"""The menus in their order, with their titles; no two have one key."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action."""

    name: ActionName
    menu: Menu
    text: str
    tip: str
    """What it does, with units and consequences; the key is added."""
    keys: str = ""
    icon: IconName | None = None
    checkable: bool = False
    separate: bool = False
    """A line above it in the menu."""
    on_pictures: bool = False
    """Its key works in the tabs Live and Section map alone: elsewhere it means something else, such as a letter."""


SPECS: tuple[ActionSpec, ...] = (
    ActionSpec("open_store", "file", "Open sections …", "Open stored sections in the tab Replay", "Ctrl+O", "folder"),
    ActionSpec(
        "import",
        "file",
        "Import images …",
        "Store and classify images of other programs as a section: TIFF, PNG, Micro-Manager, NDTiff, OME-Zarr",
        "Ctrl+Shift+I",
        "folder",
    ),
    ActionSpec("choose_folder", "file", "Folder for sections …", "Choose where new sections are stored"),
    ActionSpec("recover", "file", "Recover a section …", "Make the store of an interrupted run valid again"),
    ActionSpec(
        "export_view", "file", "Export view …", "Save what the open tab shows as a PNG file", "Ctrl+E", separate=True
    ),
    ActionSpec(
        "export",
        "file",
        "Export a section …",
        "Write the section in Replay, or the last one, for other programs: napari, Fiji, QuPath, tables",
    ),
    ActionSpec(
        "report",
        "file",
        "Write report",
        "Write the report of the last section beside its store",
        "Ctrl+Shift+E",
        "report",
    ),
    ActionSpec(
        "manifest",
        "file",
        "Write manifest …",
        "List the labelled sections of the library's folder in a file that train and evaluate take",
        icon="manifest",
    ),
    ActionSpec(
        "training",
        "file",
        "Follow a training …",
        "Show how far a training or an evaluation is, from its folder; it may be under way on the command line",
        icon="progress",
    ),
    ActionSpec(
        "qc",
        "file",
        "Control charts …",
        "Follow lamp, focus and temperature over the sections of this folder",
    ),
    ActionSpec("welcome", "file", "Welcome page", "Show the page with rigs, stores and missing parts", separate=True),
    ActionSpec("quit", "file", "Quit", "Close the window; a section that is under way is finished first", "Ctrl+Q"),
    ActionSpec("open_demo", "rig", "Open demo rig", "Load Micro-Manager's demo camera and stage", "Ctrl+D"),
    ActionSpec("open_rig", "rig", "Open rig …", "Load a rig file or a Micro-Manager configuration", "Ctrl+R"),
    ActionSpec(
        "reconnect", "rig", "Reconnect rig", "Load the rig again, after a device was unplugged or switched off and on"
    ),
    ActionSpec(
        "new_rig", "rig", "Set up a microscope …", "Write the files of a new rig from a few answers, and try them"
    ),
    ActionSpec("close_rig", "rig", "Close rig", "Unload the devices"),
    ActionSpec(
        "live",
        "rig",
        "Live",
        "Show what the camera sees, without storing it",
        "F5",
        "live",
        checkable=True,
        separate=True,
    ),
    ActionSpec("snap", "rig", "Snap", "Take one picture and show it, without storing it", "F6", "snap"),
    ActionSpec(
        "references",
        "rig",
        "Dark and flat fields …",
        "Take a dark or a flat field, by which frames are corrected before they are classified",
    ),
    ActionSpec(
        "emergency",
        "rig",
        "Emergency stop",
        "Stop the stage and the focus drive immediately and end the section; every acquired frame is stored",
        "F12",
        "emergency",
        separate=True,
    ),
    ActionSpec("start", "section", "Start", "Acquire, store and classify the section", "F8", "start"),
    ActionSpec(
        "continue",
        "section",
        "Continue a section …",
        "Add fields to a stored section by hand, yesterday's for example; its specimen may lie elsewhere now",
    ),
    ActionSpec(
        "resume",
        "section",
        "Resume a section …",
        "Take the fields that are left of a stored section; its specimen must lie as it did",
    ),
    ActionSpec("pause", "section", "Pause", "Wait between frames; again to continue", "F9", "pause", checkable=True),
    ActionSpec("stop", "section", "Stop", "End the section; what was acquired is stored and classified", "F10", "stop"),
    ActionSpec(
        "skip_analysis",
        "section",
        "Stop without classifying",
        "End the section without classifying the rest, which stays stored",
        "Shift+F10",
    ),
    ActionSpec(
        "exclude",
        "section",
        "Exclude field",
        "Exclude the field on the screen from the score; it stays stored",
        "Ctrl+Z",
        "exclude",
        separate=True,
    ),
    ActionSpec(
        "include", "section", "Include it again", "Include the field that was excluded last", "Ctrl+Shift+Z", "include"
    ),
    ActionSpec("note", "section", "Add a note …", "Write a note into the store of this section", "Ctrl+N", "note"),
    ActionSpec(
        "label_low",
        "section",
        "Label: low",
        "Train on the section in Replay as low metastatic; again to take it back",
        checkable=True,
        separate=True,
    ),
    ActionSpec(
        "label_high",
        "section",
        "Label: high",
        "Train on the section in Replay as high metastatic; again to take it back",
        checkable=True,
    ),
    ActionSpec(
        "label_out",
        "section",
        "Label: leave out",
        "Write no manifest with the section in Replay; again to take it back",
        checkable=True,
    ),
    ActionSpec("show_field", "field", "Show field", "Show the stored picture of the field, with its tiles"),
    ActionSpec("show_tile", "field", "Show tile", "Show the tile closely: its pixels, its saliency and its neighbours"),
    ActionSpec("show_on_map", "field", "Show field on the map", "Show where the field lies on the section"),
    ActionSpec(
        "exclude_field",
        "field",
        "Exclude field for a reason …",
        "Exclude the field from the score, for a reason that is kept in the notes; it stays stored",
        separate=True,
    ),
    ActionSpec("include_field", "field", "Include field again", "Let the field count in the score again"),
    ActionSpec(
        "retake_field",
        "field",
        "Take field again",
        "Take the field again: the new frame counts in its place, and both stay stored",
    ),
    ActionSpec("note_field", "field", "Note on field …", "Write a note on the field into the store of its section"),
    ActionSpec(
        "go_to_field",
        "field",
        "Move the stage there",
        "Move the stage to the coordinates of the field, the tile or the place; the specimen may lie elsewhere by now",
        separate=True,
    ),
    ActionSpec(
        "copy_position",
        "field",
        "Copy position",
        "Copy x and y in µm as a list of positions in a plan takes them",
    ),
    ActionSpec(
        "plan", "section", "Plan …", "Choose how many fields are acquired, and where", "Ctrl+P", "plan", separate=True
    ),
    ActionSpec("load_plan", "section", "Load plan …", "Use a plan file, or a position list of Micro-Manager (.pos)"),
    ActionSpec("save_plan", "section", "Save plan …", "Save the plan as a file (YAML)"),
    ActionSpec(
        "export_positions",
        "section",
        "Export positions …",
        "Save the fields of the plan as a position list of Micro-Manager (.pos)",
    ),
    ActionSpec("ids", "section", "Edit ids", "Go to the animal id", "Ctrl+I"),
    ActionSpec("library_open", "library", "Open", "Open the chosen sections in Replay, map and tiles"),
    ActionSpec("library_report", "library", "Write reports", "Write a report of each chosen section beside its store"),
    ActionSpec(
        "library_animal_report",
        "library",
        "Write reports of animals",
        "Write a report of each animal among the chosen sections, over all its sections in the folder",
    ),
    ActionSpec(
        "library_classify",
        "library",
        "Classify again …",
        "Classify the chosen sections again with another model; what is recorded stays",
    ),
    ActionSpec("library_compare", "library", "Compare", "Show two chosen sections beside each other"),
    ActionSpec(
        "library_export_as",
        "library",
        "Export for other programs …",
        "Write the chosen sections for napari, Fiji, QuPath and others; the sections stay as they are",
    ),
    ActionSpec(
        "library_export",
        "library",
        "Export list …",
        "Write the list of the chosen sections (JSON and CSV) and their tables of tiles into a folder",
    ),
    ActionSpec("library_low", "library", "Label: low", "Label the chosen sections low, for training", separate=True),
    ActionSpec("library_high", "library", "Label: high", "Label the chosen sections high, for training"),
    ActionSpec("library_leave_out", "library", "Label: leave out", "Leave the chosen sections out of training"),
    ActionSpec("library_no_label", "library", "Remove label", "Remove the label of the chosen sections"),
    ActionSpec(
        "library_resume",
        "library",
        "Resume",
        "Take the fields that are left of the chosen section; its specimen must lie as it did",
        separate=True,
    ),
    ActionSpec(
        "library_recover",
        "library",
        "Recover",
        "Make the stores of the chosen sections valid again",
    ),
    ActionSpec("library_folder", "library", "Other folder …", "List the sections of another folder", separate=True),
    ActionSpec(
        "mark_here",
        "map",
        "Mark here",
        "Add the field under the lens to the plan, which becomes a list of fields",
        "K",
        on_pictures=True,
    ),
    ActionSpec(
        "go_there",
        "map",
        "Go there",
        "Send the stage to the chosen field on the map, or to the place under the cursor; the focus stays",
        "J",
        on_pictures=True,
    ),
    ActionSpec(
        "step_left",
        "map",
        "Step left",
        "Send the stage one field to the left",
        "Shift+Left",
        separate=True,
        on_pictures=True,
    ),
    ActionSpec(
        "step_right", "map", "Step right", "Send the stage one field to the right", "Shift+Right", on_pictures=True
    ),
    ActionSpec("step_up", "map", "Step up", "Send the stage one field up", "Shift+Up", on_pictures=True),
    ActionSpec("step_down", "map", "Step down", "Send the stage one field down", "Shift+Down", on_pictures=True),
    ActionSpec(
        "quick_scan",
        "map",
        "Quick scan",
        "Look at the plan's area around the stage with a few fields, for an overview on the map; again to stop",
        separate=True,
    ),
    ActionSpec("forget_overview", "map", "Forget overview", "Clear what scans and Live have shown on the map"),
    ActionSpec(
        "pause_after",
        "section",
        "Pause after bad fields …",
        "Choose after how many fields in a row that cannot be used the next section pauses",
    ),
    ActionSpec(
        "expert",
        "view",
        "Expert mode",
        "Show all controls and panels; off: only what it takes to acquire a section",
        "F4",
        checkable=True,
    ),
    ActionSpec(
        "add_model",
        "model",
        "Add a model …",
        "List a model of your own: its folder, a training run's, or a folder of models; nothing is copied",
    ),
    ActionSpec(
        "use_model", "model", "Use for sections", "Classify new sections with the model that the tab Models shows"
    ),
    ActionSpec(
        "test_model",
        "model",
        "Self-test",
        "Test whether the model gives its own test output on this computer, on the engine that sections use",
        separate=True,
    ),
    ActionSpec(
        "time_engines", "model", "Time the engines", "Measure how fast each engine classifies with the model here"
    ),
    ActionSpec(
        "remove_model",
        "model",
        "Remove from the list",
        "List the model no more; no file is deleted",
        separate=True,
    ),
    ActionSpec("theme", "view", "Light theme", "Change between dark and light", "Ctrl+T", checkable=True),
    ActionSpec(
        "alert_sound",
        "view",
        "Sound at the end and on errors",
        "Sound when a section ends, pauses by itself or has an error",
        checkable=True,
        separate=True,
    ),
    ActionSpec("notifications", "view", "Desktop notifications", "Notify on the desktop then", checkable=True),
    ActionSpec(
        "capture_sound",
        "view",
        "Sound at capture",
        "Sound when a field is captured by hand",
        checkable=True,
    ),
    ActionSpec("capture_flash", "view", "Flash at capture", "Flash the border of the picture then", checkable=True),
    ActionSpec("full_screen", "view", "Full screen", "Use the whole screen", "F11", checkable=True),
    ActionSpec("panels", "view", "Panels", "Show the panels, or put them all away", "F7", checkable=True),
    ActionSpec("reset_layout", "view", "Reset layout", "Return every panel to its place"),
    ActionSpec("shortcuts", "help", "Keys", "Show all keys", "F1"),
    ActionSpec("doctor", "help", "Examine this computer …", "Check computer, disk, model and rig before a section"),
    ActionSpec("about", "help", "About", "Show versions, and what this program must not be used for"),
)
