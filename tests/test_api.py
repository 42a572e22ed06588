"""The interface for scripts: the names of `hcc_scope.api`, and the examples that use them."""

from __future__ import annotations

import enum
import inspect
import json
import math
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hcc_scope import api
from hcc_scope.evaluation.run import evaluate
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.training.metrics import LearningCheck
from hcc_scope.workers import StopToken
from tests.dataset_parts import small_set
from tests.quick_model_parts import at_most_attempts, without_program

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DATA = Path(__file__).parent / "data"


def run_example(name: str, *arguments: object) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](*arguments)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store that the example of an own source makes."""
    folder = tmp_path_factory.mktemp("sections")
    run_example("own_source", folder, 2)
    (path,) = folder.iterdir()
    return path


def _parameters(of: object) -> str:
    """Return names, kinds and defaults of parameters, without types: these may become narrower or wider."""
    shown, before = [], None
    for one in inspect.signature(of).parameters.values():  # type: ignore[arg-type]  # of classes too
        if one.kind is one.KEYWORD_ONLY and before is not one.KEYWORD_ONLY:
            shown.append("*")
        default = "" if one.default is one.empty else f"={one.default!r}" if _plain(one.default) else "=..."
        shown.append(one.name + default)
        before = one.kind
    return f"({', '.join(shown)})"


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | tuple)


def _promised(name: str) -> list[str]:
    """Return a line for a public name, and for a class one for each of its public members."""
    thing = getattr(api, name)
    if inspect.isfunction(thing):
        return [f"{name}{_parameters(thing)}"]
    if issubclass(thing, enum.Enum):
        return [f"{name}.{member} = {value.value}" for member, value in thing.__members__.items()]
    lines = [name if getattr(thing, "_is_protocol", False) else f"{name}{_parameters(thing)}"]
    fields = set(getattr(thing, "__dataclass_fields__", ()))
    for member, value in sorted(inspect.getmembers(thing)):
        if not member.startswith("_") and member not in fields and not hasattr(BaseException, member):
            lines.append(f"{name}.{member}{_parameters(value) if inspect.isfunction(value) else ''}")
    return lines


def test_names_and_signatures_stay() -> None:
    """A line that changes or goes breaks someone's script; within a major version, only add."""
    assert api.__all__ == sorted(api.__all__)
    lines = [line for name in api.__all__ for line in _promised(name)]
    assert lines == (DATA / "api.txt").read_text(encoding="utf-8").splitlines()


def test_every_name_is_described() -> None:
    for name in api.__all__:
        assert inspect.getdoc(getattr(api, name)), name
        if inspect.isfunction(getattr(api, name)):
            text = str(inspect.getdoc(getattr(api, name))).split("Parameters\n----------\n")[1].split("\n\n")[0]
            described = [one for line in text.splitlines() if line[0] != " " for one in line.split(" :")[0].split(", ")]
            assert described == list(inspect.signature(getattr(api, name)).parameters), name


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


def brightness_score(frame: api.Frame) -> float:
    """Return what the example's classifier answers for a frame of one tile, by hand."""
    return 1 / (1 + math.exp(-2 * (float(frame.pixels.mean()) / 65535 - 0.5)))


def test_an_own_classifier_scores_a_store_as_the_operator_left_it(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = shutil.copytree(store, tmp_path / store.name)
    NotesWriter(marked).add("exclude", "dust", 0)
    run_example("own_classifier", marked)
    first, *rest = capsys.readouterr().out.splitlines()
    field_1 = api.open_store(marked).read(1)
    assert float(first.split()[1]) == pytest.approx(brightness_score(field_1), abs=1e-6)  # of field 1 alone
    assert first.endswith("of 2 frames by brightness 1.0")
    assert [line.split(",")[0] for line in rest] == ["0: classified", "1: classified"]


def test_an_own_classifier_scores_an_own_source() -> None:
    source = runpy.run_path(str(EXAMPLES / "own_source.py"))["PhantomSource"](1)
    outcome = runpy.run_path(str(EXAMPLES / "own_classifier.py"))["score_frames"](source)
    assert outcome.state == "completed"
    (frame,) = source.frames(StopToken())
    assert outcome.score.score == pytest.approx(brightness_score(frame), abs=1e-6)


def test_a_path_may_be_a_string(store: Path, tmp_path: Path) -> None:
    model = api.load_model("phantom-meng2019", "torchscript")
    recorded = {seq: result.logits.tolist() for seq, result in api.read_predictions(str(store)).items()}
    assert api.open_store(str(store)).n_frames == len(recorded) == 2
    again = api.start_replay(str(store), model)
    assert again.finish().outcome.counts.classified == 2
    assert {seq: result.logits.tolist() for seq, result in again.results.items()} == recorded
    source = runpy.run_path(str(EXAMPLES / "own_source.py"))["PhantomSource"](1)
    assert api.start_section(source, model, str(tmp_path / "new")).finish().store == str(
        tmp_path / "new" / "M7_S1.ome.zarr"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"network": "odd"}, "there is no network 'odd'. There are: meng2019, compact."),
        ({"recipe": "odd"}, "there is no recipe 'odd'. There are: meng2019, modern."),
        ({"epochs": 0}, "0 epochs train nothing"),
        ({"seed": -1}, "the seed -1 is negative"),
    ],
)
def test_a_training_that_makes_no_sense_is_refused_in_words(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    manifest = small_set(tmp_path, animals_per_class=2, images=1)
    for function in (api.train_model, api.evaluate_model):
        with pytest.raises(api.HccScopeError, match=re.escape(says)):
            function(manifest, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"threshold": 5}, {"threshold": 0.5, "temperature": 0}, {"threshold": math.nan}])
def test_a_replay_that_makes_no_sense_is_refused_in_words(store: Path, options: dict[str, Any]) -> None:
    with pytest.raises(api.HccScopeError, match=r"Give a (positive )?number"):
        api.start_replay_with(store, object(), **options)


def test_a_model_is_trained_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = small_set(tmp_path, animals_per_class=2, images=1)
    with at_most_attempts(1), without_program():
        run_example("train_model", manifest, tmp_path / "liver")
    out = capsys.readouterr().out
    assert f"{tmp_path / 'liver' / 'model'}: " in out
    model = api.load_model(tmp_path / "liver" / "model", "torchscript")
    assert model.model.card.name == "liver"
    card = (tmp_path / "liver" / "model" / "card.yaml").read_text(encoding="utf-8")
    assert "hcc_scope.api.train_model" in card  # the command that makes it again
    with pytest.raises(api.HccScopeError, match="liver"):
        api.train_model(manifest, tmp_path / "liver")


def test_a_network_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluate.__kwdefaults__, "starts", 1)  # as many networks a fold as any other number shows
    manifest = small_set(tmp_path, animals_per_class=2, images=1)
    nothing = LearningCheck(loss=0.693, chance=0.693, auc=0.52, luck=0.56)
    monkeypatch.setattr("hcc_scope.training.attempts.check_network", lambda *_, **__: nothing)
    with at_most_attempts(2):
        content = api.evaluate_model(manifest, tmp_path / "validation", epochs=1, folds=2, jobs=1)
    starts = [json.loads(path.read_bytes()) for path in (tmp_path / "validation").rglob("start.json")]
    assert [len(start["learnt"]) for start in starts] == [2] * 4
    assert content["silent"] == {"paper": [0, 1], "by_animal": [0, 1]}
    assert content == json.loads((tmp_path / "validation" / "evaluation.json").read_text(encoding="utf-8"))
    assert content["command"].startswith("hcc_scope.api.evaluate_model('manifest.csv', 'validation'")
    assert (tmp_path / "validation" / "report.md").exists()
