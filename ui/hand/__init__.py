"""The tab *By hand*: a section on a stand that is moved by hand."""
