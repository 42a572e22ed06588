"""The tab *Section map*: the fields where they lie on the section, filled while they are acquired."""
