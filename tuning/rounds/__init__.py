"""Runs rounds: records, schedule, worker, stages, child processes, and the registry of adapters."""
