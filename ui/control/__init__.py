"""Objects without widgets: the open rig, the running section, the settings, and what the window knows of them."""
