"""A kubelet whose containers are plain host processes."""

from kaito.local.kubelet.kubelet import Kubelet, LogError
from kaito.local.kubelet.process import stop_all
from kaito.local.kubelet.settings import HostImage, KubeletSettings

__all__ = ["HostImage", "Kubelet", "KubeletSettings", "LogError", "stop_all"]
