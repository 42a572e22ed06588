"""Honest validation of models: splits, figures of merit with intervals, tables and figures. Imports no torch."""
