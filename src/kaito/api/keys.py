"""Names that the API is made of: group, annotations, labels, finalizers. Source: the KAITO v0.12 wire contract."""

from typing import Final

GROUP: Final = "kaito.sh"
WORKSPACE_FINALIZER: Final = "workspace.finalizer.kaito.sh"

RUNTIME: Final = "kaito.sh/runtime"
BYPASS_RESOURCE_CHECKS: Final = "kaito.sh/bypass-resource-checks"
DISABLE_BENCHMARK: Final = "kaito.sh/disable-benchmark"
PERFORMANCE_MODE: Final = "kaito.sh/performance-mode"
USE_LOCAL_WEIGHTS: Final = "kaito.sh/use-local-weights"
ENABLE_LB: Final = "kaito.sh/enablelb"
NODE_IMAGE_FAMILY: Final = "kaito.sh/node-image-family"
NODE_CLASS_NAME: Final = "kaito.sh/node-class-name"
MODEL_STREAMING: Final = "kaito.sh/model-streaming"

V1BETA1_FIELDS: Final = "kaito.sh/v1beta1-fields"
"""On an object shown in v1alpha1: what only v1beta1 can say, as JSON; it is there for the way back."""
V1ALPHA1_FIELDS: Final = "kaito.sh/v1alpha1-fields"
"""On an object in v1beta1: what only v1alpha1 can say, as JSON."""

HASH: Final = "workspace.kaito.io/hash"
REVISION: Final = "workspace.kaito.io/revision"
REVISION_OWNER: Final = "workspace.kaito.io/name"
WORKSPACE_LABEL: Final = "kaito.sh/workspace"
INFERENCE_SET_LABEL: Final = "inferenceset.kaito.sh/created-by"
MULTI_ROLE_LABEL: Final = "multiroleinference.kaito.sh/created-by"
ROLE_LABEL: Final = "kaito.sh/inference-role"

RESERVED_SELECTOR_KEYS: Final = frozenset(
    {
        WORKSPACE_LABEL,
        "kaito.sh/ragengine",
        "kaito.sh/workspacenamespace",
        "kaito.sh/ragenginenamespace",
        "karpenter.kaito.sh/workspace-name",
        "karpenter.kaito.sh/workspace-namespace",
        "karpenter.kaito.sh/inferenceset",
        "karpenter.kaito.sh/inferenceset-namespace",
    }
)
"""Labels of our own making; a user's selector that names them is read as if it did not."""

MAX_WORKSPACE_NAME: Final = 52
"""The StatefulSet's pods carry a label `<name>-<10 characters>`, and a label's value has at most 63."""
