"""The tab *Models*: which models there are, what their cards state, and whether they fit the rig."""
