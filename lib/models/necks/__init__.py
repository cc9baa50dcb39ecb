"""List of maps -> list of maps."""
