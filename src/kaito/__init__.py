"""KAITO: one small YAML into a working LLM service."""

__version__ = "0.1.0.dev0"
