"""Plan and spec -> Kubernetes objects. Pure."""
