"""Trains LoRA adapters from datasets, in a separate process."""
