"""Validation of models without leaks: splits, metrics with intervals, tables and figures. Imports no torch."""
