"""Models on disk: checkpoints, bundles to hand on, cards."""
