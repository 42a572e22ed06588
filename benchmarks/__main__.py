"""``python -m benchmarks NAME``: a measurement that takes long, or is about the phantom alone."""

from __future__ import annotations

import argparse
import importlib
import sys

MEASUREMENTS = {
    "app_cost": "what the window costs the pipeline, with and without it",
    "app_soak": "half an hour with the window open: memory, widgets and threads stay as they are",
    "augment_od": "AUC by animal with tiles' optical density changed while training, and without",
    "bag_heads": "how well heads find a class that few tiles carry, or all",
    "baselines": "seconds that baselines and permuted classes take",
    "batch": "seconds to skip 10,000 done sections, the same tables after kills, and sections an hour by workers",
    "bench_datasets": "milliseconds that looking at one labelled image costs",
    "bench_display": "milliseconds that showing a frame costs the app",
    "bench_phantom": "fields per second that the phantom delivers",
    "capture": "milliseconds that judging a live frame of a hand-moved stand costs",
    "evaluation_hours": "minutes that a network takes by its tiles, and hours of a validation by its workers",
    "export_fields": "seconds that exporting 1,000 fields, and a stack of frames, takes",
    "export_mosaic": "megapixels a second that the export of a section as one picture writes, and its memory",
    "export_tiles": "seconds and memory that writing a million tiles for QuPath and as tables takes",
    "focus": "how near the autofocus comes, and that it never makes things worse",
    "fuzz": "damaged inputs of every kind, with fixed seeds: each is read or refused in words",
    "gap_coverage": "how often the gap's interval holds, and that of an AUC with the random start in it",
    "guided_sampling": "how often the interval of a guided section holds the mean, and what its rules are for",
    "guiding": "how many of its drawn fields a simulated hand reaches, by the axes in which it follows the arrow",
    "interval_coverage": "how often the intervals of an evaluation hold the truth, by the number of animals",
    "kills": "20 acquisitions killed at random times: what the journal promises is there",
    "library": "seconds that the library and `hcc-scope query` take with 10,000 sections, with and without the index",
    "map_view": "milliseconds that panning and zooming a section map of 500 fields takes, and when it is sharp",
    "mosaic": "milliseconds that laying a live frame into the mosaic of a section by hand costs",
    "phantom_difficulty": "AUC of baselines and networks on phantom animals that they were not trained on",
    "prescan": "how well a sparse scan outlines phantom sections of known edge",
    "qc": "seconds that control charts of 1,000 sections take, and how often they are wrong",
    "recalibration": "how often the interval of a recalibration slope holds the slope of all animals",
    "seeds": "the demo with 10 seeds: on which side of the threshold its sections score",
    "sequences": "how often the running interval holds its mean, how wide it is, and how often a drift is found",
    "shading": "what the correction by dark and flat fields costs, and what it leaves of a vignette and of its effect",
    "soak": "10,000 frames stored and classified: nothing lost, memory flat",
    "starts": "how far networks of other starts lie apart, and what rounding does beside that",
    "threshold_interval": "how often the decision threshold's interval holds the best one, and what a section map does",
    "tracking": "how well a specimen that is moved by hand is followed: 200 sessions against the truth",
    "tracking_threshold": "how high chance drives the correlation of fields that do not overlap",
    "walk": "the window from a model of one's own to a report, as a new user: xdotool on a screen of its own, pictures",
    "window": "controls and widgets of the window in both modes, the area of what counts, and seconds to start",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    explained = "; ".join(f"{name}: {what}" for name, what in MEASUREMENTS.items())
    parser.add_argument("name", choices=MEASUREMENTS, help=explained)
    asked, options = parser.parse_known_args()
    sys.argv = [asked.name, *options]  # some have options of their own
    importlib.import_module(f"benchmarks.{asked.name}").main()


if __name__ == "__main__":
    main()
