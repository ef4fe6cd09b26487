"""GPUs, machine types and the planner: ModelProfile x machine -> Plan. Pure."""
