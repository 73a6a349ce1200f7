"""The engine for servers with an OpenAI-compatible API, such as vLLM."""
