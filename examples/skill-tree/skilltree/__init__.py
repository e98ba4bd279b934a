"""A small service with an experiment: what Rampguard ramps in the lab."""
