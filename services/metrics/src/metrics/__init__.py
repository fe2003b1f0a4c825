"""Folds events into figures that can be traced."""
