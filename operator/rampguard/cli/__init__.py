"""`kubectl ramp`."""
