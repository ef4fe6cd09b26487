"""A kubelet whose containers are plain host processes."""
