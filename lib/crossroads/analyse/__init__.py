"""Measures on data and on fitted models."""
