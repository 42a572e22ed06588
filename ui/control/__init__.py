"""Objects without widgets: the open rig, the running section, the settings, and their state for the window."""
