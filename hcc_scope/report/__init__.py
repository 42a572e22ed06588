"""The output of a run for people and programs: the summary, the overview picture, and a section's report."""
