"""The schema side of the embedded API server: kinds, fields, defaults, validation, patches, tables, OpenAPI.

Everything below is a function of its arguments: no storage, no network, no clock but the one passed in.
"""
