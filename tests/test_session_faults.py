"""The guarantees of a session when something breaks: nothing acquired is lost silently, and the outcome is true."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from session_parts import (
    Classifier,
    Gate,
    Results,
    Sink,
    Source,
    fail_at,
    finish,
    make_session,
    own_threads,
    raiser,
    run,
    wait_until,
)
from test_session_exclusions import Notes

from hcc_scope.errors import (
    CameraError,
    DeviceError,
    DiskFullError,
    FramesLost,
    ModelError,
    ModelFormatError,
    StoreError,
)
from hcc_scope.protocols import Tiles
from hcc_scope.scoring import FieldEntry, SectionScorer
from hcc_scope.types import Classification, Counts, RunOutcome


def notes(outcome: RunOutcome) -> list[str]:
    return getattr(outcome.cause, "__notes__", [])


# -- storage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
def test_a_sink_that_fails_frees_a_producer_parked_on_the_full_queue(live: bool):
    disk = Gate()
    error = DiskFullError("no space left for frame 2")

    def write(seq: int) -> None:
        if seq == 2:
            disk()
            raise error

    session = make_session(Source(range(100), live=live), Sink(before=write), Classifier(), store_frames=1)
    session.start()
    disk.wait_reached()
    # frame 2 is at the disk, 3 fills the queue, and the producer is parked with 4 in its hands
    wait_until(lambda: session.snapshot().counts.acquired == 5)
    disk.open()
    outcome = finish(session)
    assert outcome.state == "failed"
    assert outcome.cause is error
    assert outcome.counts.acquired == 5
    assert outcome.counts.stored == 2
    assert "no space left" in session.snapshot().message


def test_frames_that_were_neither_stored_nor_classified_have_failed_and_stored_ones_stay_deferred():
    analysis, disk = Gate(), Gate()
    results = Results()

    def write(seq: int) -> None:
        if seq == 3:
            disk()
            raise OSError("gone")

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    sink = Sink(before=write)
    session = make_session(
        Source(range(6), before=before), sink, Classifier(analysis.at(0)), analyse_frames=1, results=results
    )
    session.start()
    disk.wait_reached()
    wait_until(lambda: session.snapshot().counts.acquired == 6)
    disk.open()
    wait_until(lambda: sink.close_calls > 0)
    analysis.open()
    outcome = finish(session)
    # 0 and 1 were in memory; 2 is in the store; 3, 4 and 5 are nowhere
    assert outcome.counts == Counts(acquired=6, stored=3, classified=2, deferred=1, failed=3)
    assert results.by_seq[4].error == "it was not stored"


def test_frames_that_were_classified_but_not_stored_have_failed_and_do_not_score():
    def write(seq: int) -> None:
        if seq == 5:  # frames 5 .. 9 are classified, or black, while 5 waits for the disk; none of them is ever on it
            wait_until(lambda: session.snapshot().counts.acquired == 10)
            wait_until(lambda: session.snapshot().counts.pending == 0)
            raise OSError("gone")

    results = Results()
    source = Source(range(10), black=[2, 7])
    session = make_session(source, Sink(before=write), Classifier(), results=results, analyse_frames=10)
    outcome = run(session)
    assert outcome.counts == Counts(acquired=10, stored=5, classified=4, excluded=1, failed=5)
    assert results.by_seq[9].outcome == "classified"  # the store's reader leaves it out: it has no such frame

    replayed = run(make_session(Source(range(5), live=False, black=[2]), None, Classifier()))
    assert outcome.score == replayed.score
    assert outcome.score.tiles_excluded == {"under_exposed": 4}
    assert session.snapshot().score == outcome.score


def test_frames_that_failed_and_were_not_stored_are_counted_once():
    def write(seq: int) -> None:
        if seq == 1:
            wait_until(lambda: session.snapshot().counts.acquired == 4)
            wait_until(lambda: session.snapshot().counts.pending == 0)
            raise OSError("gone")

    bad = Classifier(fail_at({0: RuntimeError("bad"), 2: RuntimeError("bad")}))
    session = make_session(Source(range(4)), Sink(before=write), bad, analyse_frames=10)
    assert run(session).counts == Counts(acquired=4, stored=1, failed=4)


def test_when_append_and_close_both_fail_the_first_error_wins():
    first, second = OSError("append failed"), OSError("close failed")
    sink = Sink(before=fail_at({1: first}), on_close=raiser(second))
    outcome = run(make_session(Source(range(5)), sink, Classifier()))
    assert outcome.state == "failed"
    assert outcome.cause is first
    assert notes(outcome) == ["then, in store: OSError: close failed"]
    assert outcome.counts.stored == 1


def test_a_close_that_fails_decides_the_outcome():
    error = StoreError("the last shard is not on disk")
    outcome = run(make_session(Source(range(5)), Sink(on_close=raiser(error)), Classifier()))
    assert outcome.state == "failed"
    assert outcome.cause is error
    assert notes(outcome) == []
    assert outcome.counts == Counts(acquired=5, stored=5, classified=5)


def test_a_sink_that_loses_frames_silently_is_found_out():
    class Forgetful(Sink):
        @property
        def committed(self) -> int:
            return min(3, len(self.frames))

    outcome = run(make_session(Source(range(5)), Forgetful(), Classifier()))
    assert outcome.state == "failed"
    assert "only 3 of 5 frames" in str(outcome.cause)
    assert outcome.counts.stored == 3


def test_a_sink_that_does_not_know_what_it_holds_ends_the_run_with_its_error():
    class Lost(Sink):
        @property
        def committed(self) -> int:
            if self.close_calls:
                raise StoreError("the drive is gone")
            return len(self.frames)

    busy = Gate()
    session = make_session(Source(range(4), after=busy.open), Lost(), Classifier(busy.at(0)), analyse_frames=1)
    session.start()
    assert session.wait(30.0), "analysis waits for a storage that has ended"
    outcome = session.join()
    assert str(outcome.cause) == "the drive is gone"
    assert outcome.counts.balanced()


def test_a_storage_error_after_a_source_error_is_a_note():
    disk = Gate()
    lost = CameraError("no frame for 5 s")

    def write(seq: int) -> None:
        disk()
        raise OSError("disk unplugged too")

    session = make_session(Source(range(2), after=raiser(lost)), Sink(before=write), Classifier())
    session.start()
    disk.wait_reached()
    wait_until(lambda: session.snapshot().phase == "draining")
    disk.open()
    outcome = finish(session)
    assert outcome.cause is lost
    assert notes(outcome) == ["then, in store: OSError: disk unplugged too"]


@pytest.mark.parametrize(("kept_frames", "n_failed"), [(0, 1), (2, 1), (8, 0)])
def test_a_deferred_frame_that_cannot_be_read_back_has_failed_unless_it_is_still_in_memory(
    kept_frames: int, n_failed: int
):
    analysis, ended, results = Gate(), threading.Event(), Results()

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    session = make_session(
        Source(range(8), before=before),
        Sink(damaged=[4], on_close=ended.set),
        Classifier(analysis.at(0)),
        analyse_frames=1,
        kept_frames=kept_frames,
        results=results,
    )
    session.start()
    wait_until(ended.is_set)
    analysis.open()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=8, stored=8, classified=8 - n_failed, failed=n_failed)
    if n_failed:
        assert results.by_seq[4].error == "it could not be read back: frame 4 has a wrong checksum"
    assert outcome.score.interval_frames == 8 - n_failed


# -- source -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 7])
@pytest.mark.parametrize("stores", [True, False])
def test_a_source_that_fails_leaves_everything_before_it_stored_and_classified(k: int, stores: bool):
    error = CameraError("the camera answers no more")
    source = Source(range(20), before=fail_at({k: error}))
    outcome = run(make_session(source, Sink() if stores else None, Classifier()))
    assert outcome.state == "failed"
    assert outcome.cause is error
    assert outcome.counts == Counts(acquired=k, stored=k if stores else 0, classified=k)


@pytest.mark.parametrize(("live", "stores"), [(True, True), (True, False), (False, True)])
def test_a_source_that_ends_early_by_itself_has_failed(live: bool, stores: bool):
    source = Source(range(3), live=live, expected_frames=10)
    outcome = run(make_session(source, Sink() if stores else None, Classifier()))
    assert outcome.state == "failed"
    assert isinstance(outcome.cause, CameraError)
    assert "3 of 10 frames" in str(outcome.cause)
    assert outcome.counts == Counts(acquired=3, stored=3 if stores else 0, classified=3)


def test_lost_frames_are_counted_and_deferred_ones_are_still_caught_up():
    analysis = Gate()
    error = FramesLost(4, "the camera's buffer overflowed after frame 5")

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()
        if seq == 6:
            raise error

    session = make_session(Source(range(9), before=before), Sink(), Classifier(analysis.at(0)), analyse_frames=1)
    session.start()
    wait_until(lambda: session.snapshot().phase == "draining")
    analysis.open()
    outcome = finish(session)
    assert outcome.cause is error
    assert outcome.counts == Counts(acquired=6, stored=6, classified=6, lost=4)


@pytest.mark.parametrize("seqs", [[0, 2], [1], [0, 0], [0, 1, 0]])
def test_a_source_that_does_not_count_is_an_error(seqs: list[int]):
    outcome = run(make_session(Source(seqs), Sink(), Classifier()))
    assert outcome.state == "failed"
    assert "was due" in str(outcome.cause)
    assert outcome.counts.stored == outcome.counts.classified == outcome.counts.acquired


# -- classifier -------------------------------------------------------------------------------------------------------


def test_one_frame_that_cannot_be_classified_is_counted_and_the_run_continues():
    results = Results()
    classifier = Classifier(fail_at({3: RuntimeError("no memory for this tile")}))
    session = make_session(Source(range(8)), Sink(), classifier, results=results)
    outcome = run(session)
    assert outcome.state == "completed"
    assert outcome.degraded is None
    assert outcome.counts == Counts(acquired=8, stored=8, classified=7, failed=1)
    assert results.by_seq[3].outcome == "failed"
    assert results.by_seq[3].error == "no memory for this tile"
    assert np.isnan(results.by_seq[3].logits).all()
    assert outcome.score.interval_frames == 7


def test_failures_that_are_not_in_a_row_do_not_add_up():
    bad = {seq: RuntimeError("bad") for seq in range(0, 20, 2)}
    outcome = run(make_session(Source(range(20)), Sink(), Classifier(fail_at(bad)), analyse_frames=20, max_failures=2))
    assert outcome.degraded is None
    assert outcome.counts == Counts(acquired=20, stored=20, classified=10, failed=10)


def test_a_classifier_that_always_fails_degrades_the_run_and_the_rest_is_stored():
    bad = {seq: RuntimeError("driver mismatch") for seq in range(20)}
    classifier = Classifier(fail_at(bad))
    session = make_session(Source(range(20)), Sink(), classifier, analyse_frames=20, max_failures=3)
    outcome = run(session)
    assert outcome.state == "completed"
    assert outcome.cause is None
    assert outcome.degraded is not None
    assert "driver mismatch" in outcome.degraded
    assert outcome.counts == Counts(acquired=20, stored=20, failed=3, deferred=17)
    assert classifier.asked == [0, 1, 2]
    assert outcome.score.score is None
    assert session.snapshot().degraded == outcome.degraded


def test_without_a_store_a_broken_classifier_fails_the_run():
    error = RuntimeError("driver mismatch")
    classifier = Classifier(fail_at(dict.fromkeys(range(1000), error)))
    outcome = run(make_session(Source(range(1000), live=False), None, classifier, analyse_frames=1))
    assert outcome.state == "failed"
    assert isinstance(outcome.cause, ModelError)
    assert "5 frames in a row" in str(outcome.cause)
    assert outcome.cause.__cause__ is error
    assert outcome.counts.failed == 5
    assert outcome.counts.acquired < 1000


def test_a_classifier_that_answers_in_the_wrong_shape_is_given_up_immediately():
    class Wrong(Classifier):
        def classify(self, tiles: Tiles) -> Classification:
            return Classification(super().classify(tiles).logits[:, :1])

    classifier = Wrong()
    outcome = run(make_session(Source(range(5)), Sink(), classifier))
    assert outcome.degraded is not None
    assert "shape (4, 1)" in outcome.degraded
    assert len(classifier.asked) == 1
    assert outcome.counts == Counts(acquired=5, stored=5, failed=1, deferred=4)


def test_a_classifier_of_the_user_s_own_that_returns_a_bare_array_is_given_up_with_what_to_do():
    class Bare(Classifier):
        def classify(self, tiles: Tiles) -> NDArray[np.float32]:  # type: ignore[override]  # the user's mistake
            return super().classify(tiles).logits

    outcome = run(make_session(Source(range(5)), None, Bare()))
    assert isinstance(outcome.cause, ModelFormatError)
    assert "returned ndarray, not a Classification" in str(outcome.cause)
    assert "hcc_scope.types.Classification(logits)" in str(outcome.cause.hint)


def give(answer: object) -> Classifier:
    """Return a classifier that answers the same, whatever it is asked."""

    class Odd(Classifier):
        def classify(self, tiles: Tiles) -> Classification:
            super().classify(tiles)
            return answer  # type: ignore[return-value]  # the user's mistake

    return Odd()


LOGITS = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "returned NoneType, not a Classification"),
        (Classification(LOGITS.tolist()), "returned logits that are list, not an array of real numbers"),  # type: ignore[arg-type]
        (Classification(LOGITS.astype(object)), "returned logits that are an array of object"),
        (Classification(LOGITS.astype(complex)), "returned logits that are an array of complex128"),
        (Classification(LOGITS, [1.0] * 4), "returned distances that are list"),  # type: ignore[arg-type]
        (Classification(LOGITS, np.ones((4, 1), np.float32)), "a distance, finite and from 0 on, for each of 4 tiles"),
        (Classification(LOGITS, np.full(4, np.nan, np.float32)), "a distance, finite and from 0 on"),
        (Classification(LOGITS, np.full(4, -1.0, np.float32)), "a distance, finite and from 0 on"),
    ],
)
def test_a_classifier_whose_answer_is_of_another_form_is_given_up_with_one_sentence(answer: object, says: str):
    classifier = give(answer)
    outcome = run(make_session(Source(range(5)), Sink(), classifier))
    assert says in str(outcome.degraded)
    assert len(classifier.asked) == 1
    assert outcome.counts == Counts(acquired=5, stored=5, failed=1, deferred=4)


def test_logits_in_another_precision_are_scored_as_the_store_keeps_them_or_refused():
    results = Results()
    exact = np.repeat([[0.1, 0.7]], 4, axis=0)
    run(make_session(Source(range(1)), None, give(Classification(exact)), results=results))
    assert results.by_seq[0].logits.tolist() == [np.float32(0.7) - np.float32(0.1)] * 4
    # beyond float32 both are infinite, and their difference would be no number
    outcome = run(make_session(Source(range(1)), Sink(), give(Classification(np.full((4, 2), 1e300)))))
    assert outcome.counts == Counts(acquired=1, stored=1, failed=1)


def test_a_logit_that_is_no_number_never_reaches_the_score():
    class Nan(Classifier):
        def classify(self, tiles: Tiles) -> Classification:
            logits = super().classify(tiles).logits
            if self.asked[-1] == 1:
                logits[2, 0] = np.nan
            return Classification(logits)

    outcome = run(make_session(Source(range(3)), Sink(), Nan()))
    assert outcome.counts == Counts(acquired=3, stored=3, classified=2, failed=1)
    assert outcome.score.score is not None


def test_a_classifier_that_hangs_is_left_behind_and_its_late_answer_ignored():
    hang, results = Gate(), Results()
    classifier = Classifier(hang.at(1))
    session = make_session(
        Source(range(6)), Sink(), classifier, analyse_frames=6, classify_timeout_s=0.05, results=results
    )
    outcome = run(session)
    assert outcome.state == "completed"
    assert outcome.degraded is not None
    assert "did not answer within 0.05 s" in outcome.degraded
    assert outcome.counts == Counts(acquired=6, stored=6, classified=1, failed=1, deferred=4)
    hang.open()
    wait_until(lambda: own_threads() == [])
    assert session.snapshot().counts == outcome.counts
    assert results.by_seq[1].outcome == "failed"


def test_a_hang_while_frames_keep_coming_does_not_hold_up_the_camera():
    hang = Gate()
    stored_all = threading.Event()
    session = make_session(
        Source(range(200), after=stored_all.set), Sink(), Classifier(hang.at(0)), classify_timeout_s=30.0
    )
    session.start()
    assert stored_all.wait(30.0)
    wait_until(lambda: session.snapshot().counts.stored == 200)
    assert session.snapshot().counts.deferred > 0
    hang.open()
    assert finish(session).counts == Counts(acquired=200, stored=200, classified=200)


def test_a_second_stop_does_not_wait_for_a_classifier_that_hangs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hcc_scope.session.watchdog._GRACE_S", 0.05)
    hang = Gate()
    session = make_session(Source(range(3)), Sink(), Classifier(hang.at(0)), classify_timeout_s=1e6)
    session.start()
    hang.wait_reached()
    wait_until(lambda: session.snapshot().counts.stored == 3)
    session.stop()
    session.stop()
    outcome = finish(session)
    assert outcome.state == "cancelled"
    assert outcome.degraded is None
    assert outcome.counts == Counts(acquired=3, stored=3, deferred=3)
    hang.open()


def test_a_model_error_on_one_frame_is_that_frames_failure():
    outcome = run(make_session(Source(range(4)), Sink(), Classifier(fail_at({1: ModelError("tile 3: overflow")}))))
    assert outcome.degraded is None
    assert outcome.counts == Counts(acquired=4, stored=4, classified=3, failed=1)


# -- results, score and manifest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
def test_a_results_file_that_fails_fails_the_run_but_frames_are_kept(live: bool):
    error = OSError("predictions: disk full")
    results = Results(before=fail_at({2: error}))
    outcome = run(make_session(Source(range(6), live=live), Sink(), Classifier(), results=results, analyse_frames=6))
    assert outcome.state == "failed"
    assert outcome.cause is error
    assert outcome.counts.stored == outcome.counts.acquired
    assert outcome.counts.classified == 3  # frame 2 is in the score; its result is not on disk, and the run has failed
    assert results.closed


def test_a_results_file_that_fails_frees_a_replay_parked_on_the_full_queue():
    gate = Gate()
    error = OSError("predictions: disk full")

    def write(seq: int) -> None:
        gate()
        raise error

    session = make_session(
        Source(range(1000), live=False), None, Classifier(), results=Results(before=write), analyse_frames=1
    )
    session.start()
    gate.wait_reached()
    wait_until(lambda: session.snapshot().counts.acquired == 3)  # one in analysis, one queued, one in its hands
    gate.open()
    outcome = finish(session)
    assert outcome.cause is error
    assert outcome.counts.classified == 1


def test_a_results_file_that_cannot_be_closed_fails_the_run():
    error = OSError("cannot flush")
    outcome = run(make_session(Source(range(3)), Sink(), Classifier(), results=Results(on_close=raiser(error))))
    assert outcome.cause is error
    assert outcome.counts == Counts(acquired=3, stored=3, classified=3)


def test_a_scorer_that_dies_fails_the_run_but_every_frame_is_stored(monkeypatch: pytest.MonkeyPatch):
    add = SectionScorer.add_entry

    def broken(self: SectionScorer, entry: FieldEntry) -> None:
        if entry.seq == 2:
            raise ArithmeticError("a bug")
        add(self, entry)

    monkeypatch.setattr(SectionScorer, "add_entry", broken)
    outcome = run(make_session(Source(range(6)), Sink(), Classifier(), analyse_frames=6))
    assert outcome.state == "failed"
    assert isinstance(outcome.cause, ArithmeticError)
    assert outcome.counts.stored == outcome.counts.acquired
    assert outcome.counts.classified == 2


def test_a_manifest_that_cannot_be_written_fails_the_run():
    error = OSError("manifest: read-only")

    def finalise(outcome: RunOutcome) -> None:
        assert outcome.state == "completed"
        raise error

    outcome = run(make_session(Source(range(3)), Sink(), Classifier(), finalise=finalise))
    assert outcome.state == "failed"
    assert outcome.cause is error
    assert outcome.counts == Counts(acquired=3, stored=3, classified=3)


def test_everything_breaks_and_the_first_error_is_the_cause():
    first = CameraError("first")
    hold = Gate()

    def write(seq: int) -> None:
        hold()
        raise OSError("second")

    session = make_session(
        Source(range(1), after=raiser(first)),
        Sink(before=write, on_close=raiser(OSError("third"))),
        Classifier(),
        results=Results(on_close=raiser(OSError("fourth"))),
        finalise=lambda outcome: raiser(OSError("fifth"))(),
    )
    session.start()
    hold.wait_reached()
    wait_until(lambda: session.snapshot().phase == "draining")
    hold.open()
    outcome = finish(session)
    assert outcome.cause is first
    assert notes(outcome) == [
        "then, in store: OSError: second",
        "then, in store: OSError: third",
        "then, in results: OSError: fourth",
        "then, in finalise: OSError: fifth",
    ]


@pytest.mark.parametrize(
    ("error", "valid"), [(DeviceError("the stage is elsewhere"), False), (CameraError("dark"), True)]
)
def test_a_device_that_fails_leaves_no_valid_interval(error: Exception, valid: bool):
    def fail(seq: int) -> None:
        if seq == 5:
            raise error

    noted = Notes()
    session = make_session(Source(range(9), before=fail), Sink(), Classifier(), notes=noted)
    session.start()
    outcome = finish(session)
    assert (outcome.state, outcome.score.frames) == ("failed", 5)
    assert (outcome.score.spoilt is None) is valid
    assert [kind for kind, *_ in noted.lines] == ([] if valid else ["spoilt"])  # before the run has ended
    assert outcome.score.interval_valid is session.snapshot().score.interval_valid is valid
    session.exclude(2, "dust")  # the score is made anew
    assert session.snapshot().score.interval_valid is valid
    if not valid:
        assert "a device failed during the run" in session.snapshot().score.stabilised_reason
