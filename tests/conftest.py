"""What applies to all tests."""

from __future__ import annotations

import os

# The conformance tests need a control plane: until the embedded one serves, only a real one.
collect_ignore_glob = [] if os.environ.get("KUBEBUILDER_ASSETS") else ["api/*"]
