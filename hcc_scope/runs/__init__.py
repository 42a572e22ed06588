"""Whole runs, put together of their parts for the command line and the window.

The one floor where rigs, sources, stores, models and sessions meet. Import the submodules by name; none of them loads
torch or Micro-Manager before it is called.

=====================  ==================================================================================
"""
