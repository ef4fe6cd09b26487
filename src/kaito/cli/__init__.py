"""The kaito command: composes everything, decides nothing."""
