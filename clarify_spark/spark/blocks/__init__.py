"""Blocks of rows on executors: split into waves, scheduled, and kept as checkpoints until a run is done."""
