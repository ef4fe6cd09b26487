"""What the fork server imports, and with it the engine's first process. Importing this is its only use."""

from kaito.runtime.vllm import warm

with warm.without_collections():
    import vllm.v1.engine.core
    import vllm.v1.executor.multiproc_executor  # noqa: F401
