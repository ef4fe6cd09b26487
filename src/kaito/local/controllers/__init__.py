"""The embedded cluster's workload controllers: what kube-controller-manager does, as far as one machine needs it."""

from kaito.local.controllers.wiring import run

__all__ = ["run"]
