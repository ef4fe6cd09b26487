"""The RAGEngine kind, v1beta1: documents indexed, retrieved, and answered from."""

from typing import Literal

from pydantic import Field

from kaito.api.base import Base, Kind
from kaito.api.common import Conditions, ResourceSpec


class PersistentVolume(Base):
    """A volume that keeps the index."""

    persistent_volume_claim: str = Field(description="PersistentVolumeClaim, same namespace.")
    mount_path: str | None = Field(None, description="Where it is mounted; /mnt/data when empty.")


class VectorDB(Base):
    """A vector database that keeps the index."""

    engine: str = Field(description="qdrant.")
    url: str = Field(description="Its address, http or https.")
    access_secret: str | None = Field(None, description="Secret whose key VECTOR_DB_ACCESS_SECRET opens it.")


class RAGStorage(Base):
    """Where the index is kept. Without a vector database it is in the process's memory (FAISS)."""

    persistent_volume: PersistentVolume | None = None
    vector_db: VectorDB | None = Field(None, alias="vectorDB")


class RemoteEmbedding(Base):
    """An embedding service elsewhere."""

    url: str = Field(description="Its address, http or https.")
    access_secret: str | None = Field(None, description="Secret that opens it.")


class LocalEmbedding(Base):
    """An embedding model in the engine's own pod: exactly one of image and modelID."""

    image: str | None = Field(None, description="An image with the model in it.")
    image_pull_secret: str | None = Field(None, description="Secret that may pull the image.")
    model_id: str | None = Field(None, alias="modelID", description="A Hugging Face id (org/model).")
    model_access_secret: str | None = Field(None, description="Secret whose key HF_TOKEN opens a gated model.")


class Embedding(Base):
    """What turns text into vectors: exactly one of remote and local."""

    remote: RemoteEmbedding | None = None
    local: LocalEmbedding | None = None


class InferenceService(Base):
    """The model that answers. Without it, or without its address, the engine only retrieves."""

    url: str | None = Field(None, description="Its chat completions address; empty: retrieve only.")
    access_secret: str | None = Field(None, description="Secret whose key LLM_ACCESS_SECRET opens it.")
    context_window_size: int = Field(description="Tokens that question, documents and answer share; above 0.")


class ConfigMapRef(Base):
    """A ConfigMap, same namespace."""

    name: str = Field(description="Its name.")


class Guardrails(Base):
    """Checks of what comes in and goes out."""

    enabled: bool | None = Field(None, description="Check questions and answers.")
    config_map_ref: ConfigMapRef | None = Field(None, description="The policy: ConfigMap with key guardrails.yaml.")


class RAGEngineSpec(Base):
    """The wish."""

    compute: ResourceSpec | None = Field(None, description="Nodes for the embedding model; absent: any node.")
    storage: RAGStorage | None = None
    embedding: Embedding
    inference_service: InferenceService | None = None
    guardrails: Guardrails | None = None


class RAGEngineStatus(Base):
    """What was observed."""

    worker_nodes: list[str] | None = Field(None, description="Names of this engine's nodes, sorted.")
    conditions: Conditions | None = None


class RAGEngine(Kind):
    """Documents indexed, retrieved, and answered from."""

    api_version: Literal["kaito.sh/v1beta1"] = "kaito.sh/v1beta1"
    kind: Literal["RAGEngine"] = "RAGEngine"
    spec: RAGEngineSpec | None = None
    status: RAGEngineStatus | None = None
