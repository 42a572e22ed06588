"""The wheel carries what the program needs: built, installed into an empty environment, and run there."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment that holds our wheel; dependencies are lent from the running one."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    home = folder / "env"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)],
        check=True,
        capture_output=True,
    )
    # a .pth entry is searched last and its own .pth files are not read: our editable checkout stays invisible
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(site) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


BROUGHT_ALONG = {"mmpycorex": "pycromanager", "threadpoolctl": "scikit-learn"}
"""What we import and a dependency of ours requires in turn."""
OF_EXTRAS = {"distributed": {"dask.py", "dask_call.py", "dask_worker.py"}}
"""What comes with an extra, and the modules that are imported only where it is asked for."""


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below a node but expressions, which hold no import."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


def test_the_core_imports_only_what_an_installation_without_extras_has() -> None:
    """The dependencies lent to the wheel's environment are those of a checkout, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {canonicalize_name(Requirement(one).name) for one in project["dependencies"]}
    assert set(BROUGHT_ALONG.values()) <= required
    distributions = packages_distributions()
    for path in (ROOT / "hcc_scope").rglob("*.py"):
        for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {module.partition(".")[0] for module in modules} - {"hcc_scope", "ui"}:
                known = {canonicalize_name(name) for name in distributions.get(top, [])} & required
                known |= {path.name} & OF_EXTRAS.get(top, set())
                assert known or top in sys.stdlib_module_names or top in BROUGHT_ALONG, f"{path}: {top}"


def _run(python: Path, code: str, cwd: Path) -> str:
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd=cwd).stdout.strip()


def test_the_wheel_is_what_runs(wheel_python: Path, tmp_path: Path) -> None:
    where = Path(_run(wheel_python, "import hcc_scope; print(hcc_scope.__file__)", tmp_path))
    assert wheel_python.parent.parent in where.parents


def test_shipped_models_and_configs_travel(wheel_python: Path, tmp_path: Path) -> None:
    code = (
        "from hcc_scope.resources import hardware_configs_dir, models_dir\n"
        "print(*sorted(p.name for p in models_dir().iterdir()), sep=',')\n"
        "print(*sorted(p.name for p in hardware_configs_dir().iterdir()), sep=',')"
    )
    models, configs = _run(wheel_python, code, tmp_path).splitlines()
    assert "phantom-meng2019" in models.split(",")
    assert configs.split(",") == sorted(path.name for path in (ROOT / "hardware_configs").iterdir())


def test_templates_travel(wheel_python: Path, tmp_path: Path) -> None:
    code = (
        "from hcc_scope.templates import environment\n"
        "for package in ('hcc_scope.report', 'hcc_scope.evaluation'):\n"
        "    found = environment(package)\n"
        "    print(*(found.get_template(name).name for name in found.list_templates()), sep='\\n')"
    )
    found = _run(wheel_python, code, tmp_path).splitlines()
    templates = Path(__file__).parent.parent.glob("hcc_scope/*/templates/*")
    assert sorted(found) == sorted(path.name for path in templates)
    assert {"card.md.j2", "report.md.j2"} <= set(found)


def test_what_the_benchmark_compares_with_stays_in_the_checkout(wheel_python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util\n"
        "from hcc_scope.bench.peers import find_peers\n"
        "print(find_peers(), importlib.util.find_spec('benchmarks'))"
    )
    assert _run(wheel_python, code, tmp_path) == "None None"


def test_the_installed_command_tests_its_model(wheel_python: Path, tmp_path: Path) -> None:
    command = wheel_python.parent / ("hcc-scope.exe" if sys.platform == "win32" else "hcc-scope")
    done = subprocess.run([str(command), "models", "test"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
