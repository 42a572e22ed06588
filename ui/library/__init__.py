"""The tab *Library*: the sections of a folder, by animal."""
