"""Evaluates adapters: answers to held-out questions, scores, the gate, and the report."""
