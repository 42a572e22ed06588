"""Looking at what was acquired: the parts of the tabs *Tiles* and *Replay*."""
