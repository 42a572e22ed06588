"""Events of a run: kept by the store of the run under way, in order."""

from __future__ import annotations

import threading

from hcc_scope.run_events import RunEvent, RunEvents


def test_a_run_gets_what_happened_since_it_began_to_prepare():
    events, kept = RunEvents(), list[RunEvent]()
    events.add("move", x_um=1.0)
    events.begin()
    events.add("property", device="Camera", name="Gain", value="3")
    with events.kept_by(kept.append):
        events.add("move", x_um=2.0)
    events.add("move", x_um=3.0)
    assert [(event.kind, dict(event.facts)) for event in kept] == [
        ("property", {"device": "Camera", "name": "Gain", "value": "3"}),
        ("move", {"x_um": 2.0}),
    ]


def test_events_of_several_threads_are_all_kept_one_at_a_time():
    events, kept = RunEvents(), list[RunEvent]()
    with events.kept_by(kept.append):
        threads = [threading.Thread(target=lambda: [events.add("move") for _ in range(100)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(kept) == 400


def test_recent_events_of_a_kind_can_be_looked_at_during_a_run_and_outside():
    events = RunEvents()
    events.add("focus", n=0)
    events.begin()
    assert events.recent("focus") == ()
    with events.kept_by(lambda _event: None):
        for n in range(200):
            events.add("focus", n=n)
            events.add("move")
    assert [event.facts["n"] for event in events.recent("focus")] == list(range(72, 200))
