"""The tab *Replay*: stored sections, their analyses, notes and comparisons."""
