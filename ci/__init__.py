"""The runner of all chapters, the checks of their results, the builder of the site: see `make help`."""
