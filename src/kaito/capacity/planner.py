"""The planner's one door: a model and a machine in, a Plan with every number it used, or a Refusal, out. Pure."""

from kaito.capacity.cpu_plan import plan_cpu
from kaito.capacity.gpu_plan import MAX_NODES, plan_gpus
from kaito.capacity.machines import Machine
from kaito.capacity.plan import Plan, Refusal, Step, Wishes
from kaito.models.profile import ModelProfile

__all__ = ["Plan", "Refusal", "Step", "Wishes", "plan"]


def plan(
    profile: ModelProfile, machine: Machine, wishes: Wishes | None = None, *, max_nodes: int = MAX_NODES
) -> Plan | Refusal:
    """How ``profile`` runs on machines like ``machine``: on its GPUs, or on its processors where it has none."""
    if machine.gpus:
        return plan_gpus(profile, machine, wishes or Wishes(), max_nodes=max_nodes)
    return plan_cpu(profile, machine, wishes or Wishes())
