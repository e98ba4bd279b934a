"""`report`: one page about one ramp, from its object and from its flight record."""
