"""Machine types, node labels and partitions: the release's tables, and the refusals."""

from collections import Counter

import pytest

from kaito.capacity import machines
from kaito.capacity.machines import (
    GIB,
    MIB,
    MachineError,
    UnknownError,
    by_instance_type,
    from_labels,
    instance_types,
    mig_slice,
    of_node,
    share,
)

# The release's tables: cloud, instance type, GPU model, GPUs, GiB of each, local NVMe, CUDA compute capability.
TABLE = [
    ("azure", "Standard_NV36ads_A10_v5", "NVIDIA A10", 1, 24, False, 8.6),
    ("azure", "Standard_NV72ads_A10_v5", "NVIDIA A10", 2, 24, False, 8.6),
    ("azure", "Standard_NC24ads_A100_v4", "NVIDIA A100", 1, 80, True, 8.0),
    ("azure", "Standard_NC48ads_A100_v4", "NVIDIA A100", 2, 80, True, 8.0),
    ("azure", "Standard_NC96ads_A100_v4", "NVIDIA A100", 4, 80, True, 8.0),
    ("azure", "Standard_ND96asr_A100_v4", "NVIDIA A100", 8, 40, False, 8.0),
    ("azure", "Standard_ND96amsr_A100_v4", "NVIDIA A100", 8, 80, True, 8.0),
    ("azure", "Standard_NC40ads_H100_v5", "NVIDIA H100", 1, 94, True, 9.0),
    ("azure", "Standard_NC80adis_H100_v5", "NVIDIA H100", 2, 94, True, 9.0),
    ("azure", "Standard_ND96isr_H100_v5", "NVIDIA H100", 8, 80, True, 9.0),
    ("azure", "Standard_NCC40ads_H100_v5", "NVIDIA H100", 1, 94, False, 9.0),
    ("azure", "Standard_ND96isr_H200_v5", "NVIDIA H200", 8, 141, True, 9.0),
    ("aws", "p4d.24xlarge", "NVIDIA A100", 8, 40, True, 8.0),
    ("aws", "p4de.24xlarge", "NVIDIA A100", 8, 80, True, 8.0),
    ("aws", "p5.48xlarge", "NVIDIA H100", 8, 80, True, 9.0),
    ("aws", "p5e.48xlarge", "NVIDIA H200", 8, 141, True, 9.0),
    ("aws", "p5en.48xlarge", "NVIDIA H200", 8, 141, True, 9.0),
    ("aws", "g6.xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "g6.2xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "g6.4xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "g6.8xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "g6.16xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "gr6.4xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "gr6.8xlarge", "NVIDIA L4", 1, 24, True, 8.9),
    ("aws", "g6.12xlarge", "NVIDIA L4", 4, 24, True, 8.9),
    ("aws", "g6.24xlarge", "NVIDIA L4", 4, 24, True, 8.9),
    ("aws", "g6.48xlarge", "NVIDIA L4", 8, 24, True, 8.9),
    ("aws", "g5.xlarge", "NVIDIA A10G", 1, 24, True, 8.6),
    ("aws", "g5.2xlarge", "NVIDIA A10G", 1, 24, True, 8.6),
    ("aws", "g5.4xlarge", "NVIDIA A10G", 1, 24, True, 8.6),
    ("aws", "g5.8xlarge", "NVIDIA A10G", 1, 24, True, 8.6),
    ("aws", "g5.12xlarge", "NVIDIA A10G", 4, 24, True, 8.6),
    ("aws", "g5.16xlarge", "NVIDIA A10G", 1, 24, True, 8.6),
    ("aws", "g5.24xlarge", "NVIDIA A10G", 4, 24, True, 8.6),
    ("aws", "g5.48xlarge", "NVIDIA A10G", 8, 24, True, 8.6),
    ("arc", "Standard_NC4_A2", "NVIDIA A2", 1, 16, False, 8.6),
    ("arc", "Standard_NC8_A2", "NVIDIA A2", 1, 16, False, 8.6),
    ("arc", "Standard_NC16_A2", "NVIDIA A2", 2, 16, False, 8.6),
    ("arc", "Standard_NC32_A2", "NVIDIA A2", 2, 16, False, 8.6),
    ("arc", "Standard_NC4_A16", "NVIDIA A16", 1, 16, False, 8.6),
    ("arc", "Standard_NC8_A16", "NVIDIA A16", 1, 16, False, 8.6),
    ("arc", "Standard_NC16_A16", "NVIDIA A16", 2, 16, False, 8.6),
    ("arc", "Standard_NC32_A16", "NVIDIA A16", 2, 16, False, 8.6),
]
# The rows of the same tables that its node check can never find ready: cloud, instance type, accelerator.
REFUSED = [
    ("azure", "Standard_NG32ads_V620_v1", "AMD Radeon PRO V620"),
    ("azure", "Standard_NG32adms_V620_v1", "AMD Radeon PRO V620"),
    ("aws", "g4ad.xlarge", "AMD Radeon Pro V520"),
    ("aws", "g4ad.2xlarge", "AMD Radeon Pro V520"),
    ("aws", "g4ad.4xlarge", "AMD Radeon Pro V520"),
    ("aws", "g4ad.8xlarge", "AMD Radeon Pro V520"),
    ("aws", "g4ad.16xlarge", "AMD Radeon Pro V520"),
    ("aws", "trn1.2xlarge", "AWS Trainium accelerators"),
    ("aws", "trn1.32xlarge", "AWS Trainium accelerators"),
    ("aws", "trn1n.32xlarge", "AWS Trainium accelerators"),
    ("aws", "inf2.xlarge", "AWS Inferentia2 accelerators"),
    ("aws", "inf2.8xlarge", "AWS Inferentia2 accelerators"),
    ("aws", "inf2.24xlarge", "AWS Inferentia2 accelerators"),
    ("aws", "inf2.48xlarge", "AWS Inferentia2 accelerators"),
]
GPU = {"nvidia.com/gpu.product": "A100-80GB", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "81920"}


def labels(product: str, count: str, memory: str, **more: str) -> dict[str, str]:
    values = {"product": product, "count": count, "memory": memory}
    return {f"nvidia.com/gpu.{key}": value for key, value in values.items()} | {
        f"nvidia.com/{key.replace('_', '.')}": value for key, value in more.items()
    }


@pytest.mark.parametrize(
    ("cloud", "name", "gpu", "count", "gib", "nvme", "capability"), TABLE, ids=[row[1] for row in TABLE]
)
def test_a_machine_type_is_known_in_any_case(
    cloud: str, name: str, gpu: str, count: int, gib: int, nvme: bool, capability: float
) -> None:
    machine = by_instance_type(name.upper(), cloud)
    assert (machine.name, machine.gpu_model, machine.gpus, machine.cloud) == (name, gpu, count, cloud)
    assert (machine.gpu_memory, machine.nvme, machine.compute_capability) == (gib * GIB, nvme, capability)
    assert machine.cpu_cores
    assert machine.memory
    assert machine == by_instance_type(name)


def test_the_tables_are_sorted_and_no_name_is_twice() -> None:
    assert {row[1] for row in TABLE} <= set(instance_types())
    assert list(instance_types()) == sorted(instance_types())
    assert max(Counter(instance_types()).values()) == 1


@pytest.mark.parametrize("name", instance_types())
def test_every_machine_type_says_how_fast_it_is(name: str) -> None:
    machine = by_instance_type(name)
    assert machine.gpu_bandwidth
    assert machine.gpu_flops
    assert machine.gpu_memory_driver
    assert 0.9 < machine.gpu_memory_driver / machine.gpu_memory < 1.01
    assert (machine.price is None) == (machine.price_source is None)


def test_a_price_says_where_and_when() -> None:
    paid = by_instance_type("Standard_ND96isr_H200_v5")
    assert (paid.price, paid.price_source, paid.price_date) == (84.8, "Azure retail prices, eastus2", "2026-06-18")
    assert by_instance_type("g6.xlarge").price_source == "AWS price list, us-east-1"
    assert by_instance_type("p5e.48xlarge").price is None


@pytest.mark.parametrize(("cloud", "name", "model"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_machine_that_can_never_be_ready_is_refused(cloud: str, name: str, model: str) -> None:
    """ODDITY: the original plans for AMD, Trainium and Inferentia machines and then waits for them for ever."""
    with pytest.raises(
        MachineError, match=f"'{name}': {model} cannot be used: KAITO's engine is built for CUDA and has"
    ):
        by_instance_type(name.lower(), cloud)
    assert name not in instance_types()


def test_an_unknown_machine_type_names_the_closest() -> None:
    with pytest.raises(UnknownError) as caught:
        by_instance_type("Standard_NC24ads_A100_v5", "azure")
    assert "'Standard_NC24ads_A100_v5' is not a GPU machine type of azure that KAITO knows" in str(caught.value)
    assert "did you mean Standard_NC24ads_A100_v4 or" in str(caught.value)
    with pytest.raises(UnknownError, match="is not a GPU machine type of aws"):
        by_instance_type("Standard_NC24ads_A100_v4", "aws")
    with pytest.raises(MachineError, match="cloud 'oracle' is not supported; use azure, aws, gcp, arc"):
        instance_types("oracle")


@pytest.mark.parametrize(
    ("given", "gpus", "gib", "capability", "is_mig"),
    [
        pytest.param(labels("V100-32GB", "2", "32768"), 2, 32, 7.0, False, id="two V100"),
        pytest.param(
            GPU | labels("A100-80GB", "1", "81920", cuda_compute_major="8", cuda_compute_minor="0"),
            1,
            80,
            8.0,
            False,
            id="A100 with its capability",
        ),
        pytest.param(
            labels("T4", "1", "16384", cuda_compute_major="7", cuda_compute_minor="5"), 1, 16, 7.5, False, id="T4"
        ),
        pytest.param(labels("A10", "1", "23028", cuda_compute_major="eight"), 1, 22, 8.6, False, id="rounded GiB"),
        pytest.param(labels("NVIDIA-X1", "1", "23028", cuda_compute_major="x"), 1, 22, None, False, id="unknown GPU"),
        pytest.param(
            labels("H100-NVL", "1", "96256", mig_config="all-disabled", mig_config_state="success"),
            1,
            94,
            9.0,
            False,
            id="slicing disabled",
        ),
        pytest.param(
            labels("H100-NVL", "3", "24576", mig_config="all-2g.24gb", mig_config_state="pending"),
            3,
            24,
            9.0,
            False,
            id="slicing not done",
        ),
    ],
)
def test_a_node_is_read_by_its_labels(
    given: dict[str, str], gpus: int, gib: int, capability: float | None, is_mig: bool
) -> None:
    machine = from_labels("n1", given)
    assert (machine.gpus, machine.gpu_memory) == (gpus, gib * GIB)
    assert (machine.compute_capability, machine.is_mig) == (capability, is_mig)


def test_a_sliced_node_is_one_slice() -> None:
    """ODDITY: the original asks for all slices of the node and may spread one model over them, which cannot work."""
    machine = from_labels("n1", labels("H100-NVL", "3", "24576", mig_config="all-2g.24gb", mig_config_state="success"))
    assert (machine.gpus, machine.gpu_memory, machine.is_mig) == (1, 24 * GIB, True)
    assert (machine.gpu_bandwidth, machine.nvlink) == (None, None)


def test_a_nodes_gpus_are_as_fast_as_their_model_and_have_the_memory_that_the_driver_says() -> None:
    machine = from_labels("n1", labels("NVIDIA-A100-SXM4-80GB", "8", "81920"))
    assert (machine.gpu_bandwidth, machine.gpu_flops, machine.nvlink) == (2039e9, 312e12, 600e9)
    assert machine.gpu_memory_driver == 80 * GIB
    assert from_labels("n1", labels("NVIDIA-L4-SHARED", "1", "23034")).gpu_memory_driver == 23034 * MIB


def test_a_node_without_gpu_labels_is_known_by_its_instance_type() -> None:
    machine = from_labels("n1", {"node.kubernetes.io/instance-type": "standard_nc24ads_a100_v4"})
    assert (machine.gpus, machine.gpu_memory) == (1, 80 * GIB)


@pytest.mark.parametrize("label", machines.GPU_LABELS)
def test_a_missing_label_is_named(label: str) -> None:
    with pytest.raises(MachineError, match=f"node n1: has no label {label}.*feature discovery"):
        from_labels("n1", {key: value for key, value in GPU.items() if key != label})


@pytest.mark.parametrize("value", ["many", "-1", "0", "1.5"])
def test_a_label_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(MachineError, match=f"label nvidia.com/gpu.count is '{value}' and must be a whole number"):
        from_labels("n1", GPU | {"nvidia.com/gpu.count": value})


PROFILES = {
    "A30": "1g.6gb 2g.12gb 4g.24gb",
    "A100 40GB": "1g.5gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb 1g.10gb",
    "A100, H100 80GB": "1g.10gb 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
    "H100 94GB": "1g.12gb 1g.24gb 2g.24gb 3g.47gb 4g.47gb 7g.94gb",
    "GH200": "3g.48gb 4g.48gb 7g.96gb",
    "H200": "1g.18gb 1g.35gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb",
    "B200": "1g.23gb 1g.45gb 2g.45gb 3g.90gb 4g.90gb 7g.180gb",
}


@pytest.mark.parametrize(
    "profile", [pytest.param(one, id=f"{gpu}-{one}") for gpu, text in PROFILES.items() for one in text.split()]
)
def test_a_mig_profile_is_one_gpu(profile: str) -> None:
    machine, gib = mig_slice(profile), int(profile.partition(".")[2].removesuffix("gb"))
    assert (machine.gpus, machine.gpu_memory, machine.is_mig) == (1, gib * GIB, True)
    assert machine.gpu_memory_driver == gib * GIB * 7 // 8


@pytest.mark.parametrize(
    "profile", ["1g.10gb+me", "", "invalid", "1g", "10gb", "0g.10gb", "1g.0gb", "1g.10tb", " 1g.10gb ", "1G.10GB"]
)
def test_what_is_no_mig_profile_is_refused(profile: str) -> None:
    with pytest.raises(MachineError, match=r"cannot be read; write it as 1g\.10gb"):
        mig_slice(profile)


@pytest.mark.parametrize("profile", ["5g.50gb", "1g.16.5gb"])
def test_a_mig_profile_of_no_gpu_is_refused(profile: str) -> None:
    with pytest.raises(MachineError, match="is of no GPU that KAITO knows"):
        mig_slice(profile)


def a_node(labels: dict[str, str], **offered: str) -> dict[str, object]:
    return {"metadata": {"name": "a", "labels": labels}, "status": {"allocatable": offered}}


def test_a_node_that_speaks_of_no_gpu_is_its_processors() -> None:
    found = of_node(a_node({"apps": "x", machines.INSTANCE_TYPE_LABEL: "m7i.large"}, cpu="1930m", memory="7Gi"))
    assert (found.name, found.gpus, found.cpu_cores, found.memory) == ("node a", 0, 1.93, 7 * GIB)


@pytest.mark.parametrize(
    ("own", "offered"),
    [
        ({}, {"nvidia.com/gpu": "1"}),
        ({"nvidia.com/gpu.present": "true"}, {}),
        ({"feature.node.kubernetes.io/pci-10de.present": "true"}, {}),
        ({"feature.node.kubernetes.io/pci-0302_10de.present": "true"}, {}),
    ],
    ids=["offered", "label", "pci", "pci-class"],
)
def test_a_gpu_node_that_is_not_set_up_is_not_served_on_its_processors(
    own: dict[str, str], offered: dict[str, str]
) -> None:
    with pytest.raises(MachineError, match=r"node a: has no label nvidia\.com/gpu\.product"):
        of_node(a_node(own, cpu="8", memory="64Gi", **offered))


def test_a_gpu_machine_type_is_no_processor_node() -> None:
    assert of_node(a_node({machines.INSTANCE_TYPE_LABEL: "G6.48xlarge"}, cpu="8", memory="64Gi")).gpus == 8


@pytest.mark.parametrize("memory", ["", "0", "much"])
def test_an_amount_that_cannot_be_read_is_named(memory: str) -> None:
    with pytest.raises(MachineError, match=rf"node a: status.allocatable.memory is '{memory}'"):
        of_node(a_node({}, cpu="8", memory=memory))


def test_some_gpus_of_a_node() -> None:
    node = from_labels("n1", labels("H100", "8", "81920"))
    assert (share(node, 2).gpus, share(node, 2).gpu_memory) == (2, 80 * GIB)
    assert share(node, 8) == node
    for count in (0, 9):
        with pytest.raises(MachineError, match=f"{count} GPUs are asked for and node n1 has 8"):
            share(node, count)
