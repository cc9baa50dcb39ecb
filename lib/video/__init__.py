"""Pictures and videos in, people per frame out: sources, tracks, smoothing, files."""
