"""The service proxy: a TCP listener on every Service address, relaying to ready endpoints."""
