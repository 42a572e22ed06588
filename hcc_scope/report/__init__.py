"""What a run leaves for people and programs: the summary and the overview picture."""
