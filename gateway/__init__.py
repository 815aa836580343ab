"""An LLM gateway compiled from one file, `router.yaml`. The rooms are described in docs/architecture.md."""

__version__ = "0.1.0"
