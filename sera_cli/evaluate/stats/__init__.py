"""Attempts in, numbers with error bars out: intervals, paired comparison, power. Pure Python, no model, no disk."""
