"""A small Kubernetes for one machine: API server, controllers, process kubelet, service proxy. No product words."""
