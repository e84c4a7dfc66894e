"""The papers' models and how they are fitted."""
