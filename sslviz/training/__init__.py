"""Training: the loop, its estimate, and snapshots of a run for the page."""
