"""The documents are true: commands, links, names, versions, the table of exit codes."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hcc_scope import __version__, api, errors
from tests.commands import SMALL_FRAMES, cli
from tests.quick_model_parts import at_most_attempts

ROOT = Path(__file__).resolve().parent.parent
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")
PAGES = [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_table_of_exit_codes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: int(code) for code, name in rows}
    real = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.HccScopeError) and kind is not errors.RigError
    }
    assert documented == real


def test_every_exit_code_is_distinct() -> None:
    codes = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def _commands() -> list[str]:
    """`hcc-scope ...` lines of the README's ``sh`` blocks, in order; lines of other programs are left out."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("hcc-scope ")]


def _expanded(argument: str, folder: Path) -> list[str]:
    """As a shell does: an argument with a star is the names that it matches."""
    if "*" not in argument:
        return [argument]
    return sorted(str(path.relative_to(folder)) for path in folder.glob(argument))


@pytest.mark.timeout(600)
def test_the_readmes_commands_run(tmp_path: Path) -> None:
    """One after the other in one folder, as a reader types them; in this process, so that they share the imports."""
    commands = _commands()
    assert len(commands) >= 6
    for command in commands:
        arguments = [one for argument in shlex.split(command)[1:] for one in _expanded(argument, tmp_path)]
        # figures, processes, starts and attempts have tests of their own
        if arguments[0] == "evaluate":
            arguments += (
                ["--no-figures"] if "--model" in arguments else ["--no-figures", "--jobs", "1", "--starts", "1"]
            )
        elif arguments[0] == "acquire":  # as are the choice of an engine and the camera's full size
            arguments += ["--engine", "torchscript", *SMALL_FRAMES]
        elif arguments[0] == "import":
            arguments += ["--engine", "torchscript"]
        elif arguments[0] == "phantom":
            arguments += ["--jobs", "1", "--images-per-class", "2"]
        with at_most_attempts(1):
            done = cli(*arguments, cwd=tmp_path)
        assert done.code == 0, f"{command}\n{done.err}"


def test_the_readme_opens_with_commands_that_need_no_screen() -> None:
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks[0] == "make demo\nmake test\n"
    assert blocks[1] == "make app\n"


def test_every_make_command_in_the_documents_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert set(phony.split()) == targets
    helped = set(re.findall(r"\bmake ([a-z]+)  ", makefile.split("help:", 1)[1].split("\nsetup:", 1)[0]))
    assert targets - helped == {"help", "clean"}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = "".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
        typed = re.findall(r"^make ([^#\n]+)", blocks, re.MULTILINE)
        for words in [*typed, *re.findall(r"`make ([^`]+)`", text)]:
            used = [word for word in words.split() if "=" not in word]
            assert set(used) <= targets, f"{page.name}: make {words}"


def test_the_architecture_names_every_package_and_nothing_else() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.split("## What is where", 1)[1].split("## Where something new goes", 1)[0]
    named = {
        name for cell in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", cell)
    }
    packages = {
        f"{top}/{folder.parent.name}" for top in ("hcc_scope", "ui") for folder in (ROOT / top).glob("*/__init__.py")
    }
    assert packages <= named
    modules_named = {name.removesuffix(".py").rpartition("/")[2] for name in named if name.endswith(".py")}
    modules_there = {path.stem for path in (ROOT / "hcc_scope").glob("*.py")} - {"__init__"}
    assert modules_named == modules_there
    for place in re.findall(r"`((?:hcc_scope|ui|tests|benchmarks|docs|models|examples)/[\w/.-]*)`", text):
        assert (ROOT / place).exists(), place
    modules = re.findall(r"`((?:hcc_scope|ui)\.[\w.]+)`", text)
    for module in modules:
        assert _exists(module), module


def _layers(contract: str) -> list[set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (found,) = (one for one in project["tool"]["importlinter"]["contracts"] if one["name"].startswith(contract))
    return [set(layer.split(" | ")) for layer in found["layers"]]


def test_the_architecture_shows_the_floors_that_the_linter_holds() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    picture = text.split("```mermaid", 1)[1].split("```", 1)[0]
    boxes = dict(re.findall(r'^ +(\w+)\["(.*)"\]$', picture, re.MULTILINE))
    order = picture.strip().splitlines()[-1].split(" --> ")
    assert {name.strip() for name in order} == set(boxes)
    floors = _layers("floors")
    floor_of = {name: number for number, floor in enumerate(floors) for name in floor}
    above = -1
    for box in order:
        inside = [floor_of[word] for word in re.findall(r"\w+", boxes[box.strip()]) if word in floor_of]
        assert not inside or min(inside) > above, box
        above = max(inside, default=above)
    window = text.split("Inside `ui`", 1)[1].split("```", 2)[1]
    rows = [set(re.split(r" {2,}", line)[0].split(" · ")) for line in window.strip().splitlines()]
    assert rows == _layers("the window: rooms")


def _exists(dotted: str) -> bool:
    """Return whether a dotted name is a package, a module, or a name in a module."""
    path = ROOT.joinpath(*dotted.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    inside = path.parent.with_suffix(".py")
    return inside.is_file() and re.search(rf"\b{path.name}\b", inside.read_text(encoding="utf-8")) is not None


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "BSD-3-Clause"
    (paper,) = citation["references"]
    assert paper["doi"] == "10.1117/12.2512214"
    assert f"https://doi.org/{paper['doi']}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_pre_commit_runs_what_make_lint_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"] for repository in config["repos"] for hook in repository["hooks"]]
    recipe = re.search(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    assert hooks == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]


def test_every_page_is_in_the_site() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or re.search(rf"^{page.stem}$", index, re.MULTILINE), page.name


def test_the_api_page_has_every_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r":: hcc_scope\.api\.(\w+)$", page, re.MULTILINE)) == sorted(api.__all__)


def test_constraints_allow_what_the_package_allows() -> None:
    """A pinned version outside the ranges would make every installation fail."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert not [version for version in pinned.values() if "+" in version]
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # napari is a program of its own, which no test runs
    wanted = [*project["dependencies"], *(one for name, extra in extras.items() if name != "napari" for one in extra)]
    for requirement in map(Requirement, wanted):
        if requirement.name != "hcc-scope":
            version = versions.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement.name}: run make constraints"
            assert requirement.specifier.contains(version, prereleases=True), requirement
