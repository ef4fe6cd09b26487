"""The API server of the embedded Kubernetes."""
