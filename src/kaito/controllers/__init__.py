"""One reconciler per kind, the operator that hosts them, and the catalogue of reasons."""
