"""The engine that runs a model in this process, on the CPU or one CUDA GPU."""
