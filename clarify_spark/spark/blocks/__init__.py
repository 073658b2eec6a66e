"""Blocks of rows on executors: cut into waves, scheduled, and kept as checkpoints until a run is done."""
