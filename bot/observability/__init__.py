"""Metrics, logs, and the redaction of secrets in both."""
