"""What the reader sees: figures, intervals, claims and provenance."""
