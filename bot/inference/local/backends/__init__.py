"""Backends that compute running sequences: with the compiled decoder, PyTorch, or transformers and peft."""
