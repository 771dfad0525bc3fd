"""Metrics: arithmetic on features [N, D], each usable alone. They know nothing of extractors, classes, controls or verdicts."""
