"""The kaito.sh kinds: types, defaults, validation, and the CRDs generated from them. Pure; imports nothing of ours."""
