"""Curated answers: agents' corrections, given for the same question and suggested for a similar one."""
