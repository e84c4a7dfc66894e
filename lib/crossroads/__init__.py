"""Crossroads: executable reproductions of papers."""
