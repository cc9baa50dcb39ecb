"""Helpers without knowledge of poses: ``errors``."""
