"""The program in a serving pod: vLLM's OpenAI server with KAITO's options, reasons for exit, and nothing per token.

``python3 -m kaito.runtime.vllm --model ... [vLLM's flags] [--kaito-...]``. Importing this package imports no vLLM.
"""
