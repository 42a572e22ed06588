"""The tab *Live*: the newest picture, its contrast, and whether it is live, stored or old."""
