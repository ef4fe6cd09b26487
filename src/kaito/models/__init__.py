"""What we know of models: catalogue, metadata, ModelProfile. Pure but for hub.py."""
