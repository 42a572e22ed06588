"""The tab *Tiles*: the tiles of a section as a gallery and a table, and why a tile has its score."""
