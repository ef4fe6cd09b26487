"""A small Kubernetes controller runtime: client, informer, work queue, lease, webhook server. No product words."""
