"""The docks on the right: score, quality, coverage, and the other sections of the animal."""
