"""How often the guardrails are wrong and how late they are right, by simulation."""
