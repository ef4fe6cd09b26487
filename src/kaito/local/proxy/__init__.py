"""The service proxy: a TCP listener on every Service address, relaying to ready endpoints."""

from kaito.local.proxy.proxy import ServiceProxy

__all__ = ["ServiceProxy"]
