"""The embedded cluster's API server."""

from kaito.local.apiserver.address import AddressError
from kaito.local.apiserver.certs import IdentityError
from kaito.local.apiserver.server import ApiServer
from kaito.local.apiserver.store import StoreError

__all__ = ["AddressError", "ApiServer", "IdentityError", "StoreError"]
