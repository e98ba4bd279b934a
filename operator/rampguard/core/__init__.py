"""Pure decisions: told the time, without I/O."""
