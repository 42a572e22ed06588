"""The interface for scripts: the names of `hcc_scope.api`, and the examples that use them."""

from __future__ import annotations

import inspect
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from hcc_scope import api
from tests.dataset_parts import small_set

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run_example(name: str, *arguments: object) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store that the example of an own source makes."""
    folder = tmp_path_factory.mktemp("sections")
    run_example("own_source", folder, 2)
    (path,) = folder.iterdir()
    return path


def test_the_names_stay() -> None:
    """A name that is missing here breaks someone's script: add, and do not remove, within a major version."""
    promised = """
        Classifier Counts Frame FrameResult FrameSink FrameSource HccScopeError QualityFlag QualityLimits ReplayRun
        RunOutcome RunSpec ScoringModel SectionReport SectionRun SectionScore SectionScorer SectionStore Session
        StopSignal evaluate_model load_model open_store read_predictions start_replay start_section train_model
    """.split()
    assert sorted(api.__all__) == sorted(promised)
    for name in api.__all__:
        assert inspect.getdoc(getattr(api, name)), name


def test_importing_it_loads_neither_torch_nor_qt() -> None:
    code = "import sys, hcc_scope.api; print({'torch', 'PySide6', 'pycromanager', 'openvino'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "set()"


def test_frames_of_an_own_source_are_stored_and_classified(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = api.open_store(store)
    assert opened.complete
    assert opened.problems == ()
    assert opened.n_frames == 2
    assert {result.outcome for result in api.read_predictions(store).values()} == {"classified"}
    run_example("read_store", store)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "M7 S1: 2 frames of (512, 512)"
    assert len(lines) == 3
    assert "stage (170.0, 0.0, None) um, probability of high 0." in lines[2]


def test_a_stored_section_gets_its_recorded_score_again(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in store.iterdir())
    run_example("score_store", store)
    recorded = api.open_store(store).attributes["outcome"]["score"]
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"score {recorded} from 2 fields and 2 tiles"
    assert second.endswith("not valid")
    assert third == "classified 2, excluded 0, failed 0 of 2"
    assert sorted(path.name for path in store.iterdir()) == before


def test_a_model_is_trained_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = small_set(tmp_path, animals_per_class=2, images=1)
    run_example("train_model", manifest, tmp_path / "liver")
    out = capsys.readouterr().out
    assert f"{tmp_path / 'liver' / 'model'}: " in out
    model = api.load_model(tmp_path / "liver" / "model", "torchscript")
    assert model.model.card.name == "liver"
    card = (tmp_path / "liver" / "model" / "card.yaml").read_text(encoding="utf-8")
    assert "hcc_scope.api.train_model" in card  # the command that makes it again
    with pytest.raises(api.HccScopeError, match="liver"):
        api.train_model(manifest, tmp_path / "liver")


def test_a_network_is_evaluated(tmp_path: Path) -> None:
    manifest = small_set(tmp_path, animals_per_class=2, images=1)
    content = api.evaluate_model(manifest, tmp_path / "validation", epochs=1, folds=2, jobs=1)
    assert content == json.loads((tmp_path / "validation" / "evaluation.json").read_text(encoding="utf-8"))
    assert content["command"].startswith("hcc_scope.api.evaluate_model('manifest.csv', 'validation'")
    assert (tmp_path / "validation" / "report.md").exists()
