"""Whole runs, assembled from their parts for the command line and the window.

The package where rigs, microscopes, stores, models and sessions meet. Import the submodules by name; none of them loads
torch or Micro-Manager before it is called.

=====================  ==================================================================================
"""
