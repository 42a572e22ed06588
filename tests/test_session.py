"""The guarantees of a session when nothing breaks."""

import _thread
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from session_parts import (
    BASE,
    N_TILES,
    Classifier,
    Gate,
    Results,
    Sink,
    Source,
    finish,
    make_session,
    make_spec,
    run,
    wait_until,
)

from hcc_scope import scoring
from hcc_scope.errors import FrameSizeError
from hcc_scope.latency import LatencyHistogram
from hcc_scope.session import SessionLimits
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Counts, RunOutcome
from hcc_scope.workers import StopToken

# -- the plain run ----------------------------------------------------------------------------------------------------


def test_every_frame_is_stored_classified_and_scored():
    sink, results = Sink(), Results()
    outcome = run(make_session(Source(range(20), expected_frames=20), sink, Classifier(), results=results))
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=20, stored=20, classified=20)
    assert [int(frame.pixels[0, 0]) - BASE for frame in sink.frames] == list(range(20))
    assert sorted(results.by_seq) == list(range(20))
    assert results.closed
    assert outcome.score.tiles == 20 * N_TILES
    assert outcome.score.interval_frames == 20


def test_a_result_holds_log_odds_calibrated_probabilities_and_the_time_of_each_stage():
    results = Results()
    run(make_session(Source([0]), Sink(), Classifier(), results=results))
    result = results.by_seq[0]
    high = np.sin(np.float32(BASE))
    expected = np.full(N_TILES, high - -high, dtype=np.float32)
    np.testing.assert_array_equal(result.logits, expected)
    np.testing.assert_array_equal(result.probabilities, scoring.calibrate(expected, 1.5))
    assert result.logits.dtype == result.probabilities.dtype == np.float32
    assert result.engine == "test"
    assert set(result.latency_ms) == {"acquire", "queue", "tile", "quality", "classify", "score", "total"}
    parts_ms = [ms for stage, ms in result.latency_ms.items() if stage != "total"]
    assert sum(parts_ms) <= result.latency_ms["total"] + 1.0  # two clocks
    assert not result.logits.flags.writeable


def test_black_frames_are_excluded_and_never_shown_to_the_classifier():
    classifier, results = Classifier(), Results()
    outcome = run(make_session(Source(range(6), black=[1, 4]), Sink(), classifier, results=results))
    assert outcome.counts == Counts(acquired=6, stored=6, classified=4, excluded=2)
    assert classifier.asked == [0, 2, 3, 5]
    assert results.by_seq[1].outcome == "excluded"
    assert np.isnan(results.by_seq[1].logits).all()
    assert np.isnan(results.by_seq[1].probabilities).all()
    assert outcome.score.tiles_excluded["under_exposed"] == 2 * N_TILES
    assert outcome.score.interval_frames == 4


def test_a_run_of_no_frames_is_complete():
    outcome = run(make_session(Source([]), Sink(), Classifier(), results=Results()))
    assert outcome.state == "completed"
    assert outcome.counts == Counts()
    assert outcome.score.score is None
    assert outcome.latency_ms == {}
    assert set(outcome.rates.values()) == {0.0}


def test_without_a_classifier_frames_are_stored_and_count_as_deferred():
    outcome = run(make_session(Source(range(5)), Sink(), None))
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=5, stored=5, deferred=5)
    assert outcome.degraded is None


def test_a_session_needs_something_to_do():
    with pytest.raises(ValueError, match="sink"):
        make_session(Source([]), None, None)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"store_queue_bytes": 0}, "store_queue_bytes must be more than 0, not 0"),
        ({"analyse_queue_bytes": -1}, "analyse_queue_bytes must be more than 0, not -1"),
        ({"deferred_cache_bytes": -1}, "deferred_cache_bytes must be at least 0, not -1"),
        ({"classify_timeout_s": float("nan")}, "classify_timeout_s must be more than 0, not nan"),
        ({"max_failures": 0}, "max_failures must be more than 0, not 0"),
    ],
)
def test_limits_with_which_a_run_could_not_work_are_refused(limits: dict[str, Any], says: str):
    with pytest.raises(ValueError, match=says):
        SessionLimits(**limits)


def test_frames_smaller_than_a_tile_are_refused_before_the_run():
    source = Source([])
    source.spec = make_spec(None).__class__(
        frame_shape_yx=(16, 64), bit_depth=16, pixel_size_um=1.0, animal_id="a", section_id="s", tile_px=32
    )
    with pytest.raises(FrameSizeError):
        make_session(source, Sink(), Classifier())


def test_the_outcome_holds_rates_and_latencies():
    outcome = run(make_session(Source(range(10)), Sink(), Classifier(), store="somewhere.ome.zarr"))
    assert outcome.store == "somewhere.ome.zarr"
    assert set(outcome.rates) == {"acquire_fps", "store_fps", "classify_fps", "end_to_end_fps"}
    assert all(rate > 0 for rate in outcome.rates.values())
    assert outcome.rates["end_to_end_fps"] <= outcome.rates["classify_fps"]
    assert sum(outcome.latency_bins.values()) == outcome.counts.classified
    assert LatencyHistogram.merged([outcome.latency_bins]).summary() == outcome.latency_ms
    assert 0 < outcome.latency_ms["p50"] <= outcome.latency_ms["p95"] <= outcome.latency_ms["p99"]


def test_finalise_comes_last_and_gets_the_outcome():
    sink, results = Sink(), Results()
    seen: list[RunOutcome] = []

    def finalise(outcome: RunOutcome) -> None:
        assert sink.close_calls > 0
        assert results.closed
        seen.append(outcome)

    outcome = run(make_session(Source(range(3)), sink, Classifier(), results=results, finalise=finalise))
    assert seen == [outcome]
    assert outcome.state == "completed"


# -- deferral ---------------------------------------------------------------------------------------------------------


def test_frames_that_do_not_fit_are_deferred_and_read_back_newest_first_while_live():
    analysis, camera = Gate(), Gate()
    classifier, sink, results = Classifier(analysis.at(0)), Sink(), Results()

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()  # frame 0 is in analysis, the queue is empty

    source = Source(range(8), before=before, after=camera)
    session = make_session(source, sink, classifier, analyse_frames=1, results=results)
    session.start()
    camera.wait_reached()
    wait_until(lambda: session.snapshot().counts.stored == 8)
    assert session.snapshot().counts == Counts(acquired=8, stored=8, deferred=6, pending=2)
    assert session.snapshot().analyse_queue_fill == 1.0
    analysis.open()
    wait_until(lambda: session.snapshot().counts.classified == 8)  # still live: the camera has not ended
    camera.open()
    outcome = finish(session)
    assert outcome.counts == Counts(acquired=8, stored=8, classified=8)
    assert classifier.asked == [0, 1, 7, 6, 5, 4, 3, 2]
    assert set(results.by_seq[7].latency_ms) == {"read", "tile", "quality", "classify", "score", "total"}


def test_deferred_frames_are_caught_up_in_order_after_the_last_live_one():
    analysis, ended = Gate(), threading.Event()
    classifier, sink = Classifier(analysis.at(0)), Sink(on_close=ended.set)

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    session = make_session(Source(range(8), before=before), sink, classifier, analyse_frames=1)
    session.start()
    wait_until(ended.is_set)  # the sink is closed before anything is caught up: reading must still work
    wait_until(lambda: session.snapshot().phase == "draining")
    analysis.open()
    outcome = finish(session)
    assert outcome.counts == Counts(acquired=8, stored=8, classified=8)
    assert classifier.asked == list(range(8))


def test_only_committed_frames_are_read_back():
    analysis, disk = Gate(), Gate()
    classifier, sink = Classifier(analysis.at(0)), Sink(before=disk.at(2))

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    session = make_session(Source(range(4), before=before), sink, classifier, analyse_frames=1)
    session.start()
    wait_until(lambda: session.snapshot().counts.deferred == 2)  # frames 2 and 3
    disk.wait_reached()
    analysis.open()
    wait_until(lambda: session.snapshot().counts.classified == 2)
    assert session.snapshot().counts == Counts(acquired=4, stored=2, classified=2, deferred=2)
    disk.open()
    assert finish(session).counts == Counts(acquired=4, stored=4, classified=4)


def test_a_deferred_run_scores_the_same_bits_as_its_replay():
    sink, live = Sink(), Results()
    gate = Gate()

    def before(seq: int) -> None:
        if seq == 1:
            gate.wait_reached()
        if seq == 20:
            gate.open()

    source = Source(range(30), before=before, black=[3, 17])
    live_outcome = run(make_session(source, sink, Classifier(gate.at(0)), analyse_frames=1, results=live))
    replayed = Results()
    replay = Source(range(30), live=False, black=[3, 17])
    replay_outcome = run(make_session(replay, None, Classifier(), analyse_frames=1, results=replayed))
    assert live_outcome.score == replay_outcome.score
    for seq in range(30):
        np.testing.assert_array_equal(live.by_seq[seq].logits, replayed.by_seq[seq].logits)


def test_analysis_waits_while_the_storage_queue_is_more_than_half_full():
    disk, both_queued = Gate(), Gate()
    log: list[tuple[str, int]] = []

    def stored(seq: int) -> None:
        if seq == 0:
            disk()
        log.append(("store", seq))

    classifier = Classifier(lambda seq: log.append(("classify", seq)))
    source = Source(range(3), before=both_queued.at(2))
    session = make_session(source, Sink(before=stored), classifier, store_frames=1)
    session.start()
    disk.wait_reached()
    both_queued.wait_reached()  # frame 0 hangs on the disk, frame 1 fills the queue
    assert session.snapshot().store_queue_fill == 1.0
    threading.Event().wait(0.1)  # an analysis that does not wait would have classified frame 1 by now
    disk.open()
    both_queued.open()
    assert finish(session).counts == Counts(acquired=3, stored=3, classified=3)
    assert log.index(("store", 0)) < log.index(("classify", 1))


# -- sources that can wait --------------------------------------------------------------------------------------------


def test_a_replay_waits_for_analysis_and_defers_nothing():
    classifier = Classifier()
    outcome = run(make_session(Source(range(50), live=False), None, classifier, analyse_frames=1))
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=50, classified=50)
    assert classifier.asked == list(range(50))


def test_a_live_source_without_a_store_waits_too():
    outcome = run(make_session(Source(range(50)), None, Classifier(), analyse_frames=1))
    assert outcome.counts == Counts(acquired=50, classified=50)


def test_an_import_stores_and_waits_for_both():
    outcome = run(make_session(Source(range(50), live=False), Sink(), Classifier(), store_frames=1, analyse_frames=1))
    assert outcome.counts == Counts(acquired=50, stored=50, classified=50)


def test_frames_missing_in_a_replay_are_counted_and_the_interval_continues():
    source = Source([1, 2, 5, 6], live=False, expected_frames=9)
    outcome = run(make_session(source, None, Classifier(), results=Results()))
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=4, classified=4, lost=5)  # 0, 3, 4, 7, 8
    assert outcome.score.interval_frames == 4


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_ends_the_source_and_finishes_what_was_acquired():
    def before(seq: int) -> None:
        if seq == 5:
            session.stop()

    session = make_session(Source(range(100), before=before, expected_frames=100), Sink(), Classifier())
    outcome = run(session)
    assert outcome.state == "cancelled"
    assert outcome.cause is None
    assert outcome.counts == Counts(acquired=5, stored=5, classified=5)


def test_stop_is_the_normal_end_of_an_open_ended_run():
    def before(seq: int) -> None:
        if seq == 5:
            session.stop()

    session = make_session(Source(range(100), before=before, expected_frames=None), Sink(), Classifier())
    outcome = run(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=5, stored=5, classified=5)


def test_a_second_stop_without_frames_left_behind_does_not_cancel_an_open_ended_run():
    def before(seq: int) -> None:
        if seq == 3:
            wait_until(lambda: session.snapshot().counts.classified == 3)
            session.stop()
            session.stop()

    session = make_session(Source(range(100), before=before), Sink(), Classifier())
    outcome = run(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=3, stored=3, classified=3)


def test_a_second_stop_skips_analysis_but_never_storage():
    analysis, disk = Gate(), Gate()
    classifier = Classifier(analysis.at(0))

    def before(seq: int) -> None:
        if seq == 1:
            analysis.wait_reached()

    session = make_session(Source(range(6), before=before), Sink(before=disk.at(3)), classifier, analyse_frames=2)
    session.start()
    disk.wait_reached()
    wait_until(lambda: session.snapshot().counts.acquired == 6)
    session.stop()
    session.stop()
    assert "stopping now" in session.snapshot().message
    analysis.open()
    disk.open()
    outcome = finish(session)
    assert outcome.state == "cancelled"
    assert outcome.counts == Counts(acquired=6, stored=6, classified=1, deferred=5)
    assert classifier.asked == [0]
    assert "5 frames are stored but not classified" in session.snapshot().message


def test_stop_before_the_start_makes_an_empty_run():
    session = make_session(Source(range(5), expected_frames=5), Sink(), Classifier())
    session.stop()
    outcome = run(session)
    assert outcome.state == "cancelled"
    assert outcome.counts == Counts()


def test_stop_before_the_first_frame():
    first = Gate()
    session = make_session(Source(range(5), before=first.at(0), expected_frames=5), Sink(), Classifier())
    session.start()
    first.wait_reached()
    session.stop()
    first.open()
    outcome = finish(session)
    assert outcome.state == "cancelled"
    assert outcome.counts == Counts()


def test_stop_while_storage_drains_does_not_make_a_complete_run_incomplete():
    disk = Gate()
    session = make_session(Source(range(3), expected_frames=3), Sink(before=disk.at(1)), Classifier())
    session.start()
    wait_until(lambda: session.snapshot().phase == "draining")
    session.stop()
    disk.open()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=3, stored=3, classified=3)


def test_stop_after_the_end_changes_nothing():
    session = make_session(Source(range(3)), Sink(), Classifier())
    outcome = run(session)
    session.stop()
    session.stop()
    assert session.join() == outcome
    assert session.snapshot().counts == outcome.counts


def test_a_stop_token_from_outside_stops_the_run():
    stop = StopToken()
    stop.request()
    source = Source(range(5), expected_frames=5)
    assert run(make_session(source, Sink(), Classifier(), stop=stop)).state == "cancelled"


def test_a_keyboard_interrupt_gets_out_of_join_and_the_run_can_be_joined_again():
    camera = Gate()

    def before(seq: int) -> None:
        if seq == 3:
            _thread.interrupt_main()
            camera()

    session = make_session(Source(range(100), before=before, expected_frames=100), Sink(), Classifier())

    def start_and_join() -> None:  # the interrupt may come in either
        session.start()
        session.join()

    with pytest.raises(KeyboardInterrupt):
        start_and_join()
    assert not session.finished
    session.stop()
    camera.open()
    assert finish(session).state == "cancelled"


def test_join_before_start_is_refused_instead_of_waiting_for_ever():
    with pytest.raises(RuntimeError, match="not started"):
        make_session(Source([]), Sink(), Classifier()).join()


# -- what a user interface sees ---------------------------------------------------------------------------------------


def test_snapshots_follow_the_run():
    camera = Gate()
    session = make_session(Source(range(4), after=camera, expected_frames=4), Sink(), Classifier())
    before = session.snapshot()
    assert (before.phase, before.counts, before.latest, before.elapsed_s) == ("starting", Counts(), None, 0.0)
    session.start()
    camera.wait_reached()
    wait_until(lambda: session.snapshot().counts == Counts(acquired=4, stored=4, classified=4))
    live = session.snapshot()
    assert live.phase == "running"
    assert live.latest is not None
    assert live.latest.seq == 3
    assert live.latest_result is not None
    assert live.latest_result.seq == 3
    assert live.eta_s == 0.0
    assert live.acquire_fps > 0
    camera.open()
    finish(session)
    assert session.finished
    assert session.snapshot().eta_s == 0.0
    assert session.snapshot().elapsed_s == session.snapshot().elapsed_s > 0


def test_an_interface_that_dies_while_it_polls_does_not_touch_the_run():
    camera = Gate()
    session = make_session(Source(range(9), before=camera.at(4), expected_frames=9), Sink(), Classifier())

    def show() -> None:
        while not session.finished:
            if session.snapshot().counts.classified == 4:
                raise ZeroDivisionError("the window is 0 pixels wide")
            session.wait(0.001)

    session.start()
    with pytest.raises(ZeroDivisionError):
        show()
    camera.open()
    outcome = finish(session)
    assert outcome.state == "completed"
    assert outcome.counts == Counts(acquired=9, stored=9, classified=9)


def test_the_tiles_of_a_frame_are_cut_once(monkeypatch: pytest.MonkeyPatch):
    cut = TileGrid.views
    n_cuts = 0

    def counted(grid: TileGrid, pixels: NDArray[np.uint16]) -> list[NDArray[np.uint16]]:
        nonlocal n_cuts
        n_cuts += 1
        return cut(grid, pixels)

    monkeypatch.setattr(TileGrid, "views", counted)
    results = Results()
    run(make_session(Source(range(3)), Sink(), Classifier(), results=results))
    assert n_cuts == 3
    assert set(results.by_seq[1].latency_ms) >= {"tile", "quality", "classify"}
