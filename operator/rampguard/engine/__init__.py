"""The shell: one pass over one ramp, through ports only."""
