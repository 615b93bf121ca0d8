"""Teach the fuzzer to write JSON lines."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Serialize a text unchanged, and anything else as one line of JSON, or one line per part."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return "\n".join(json.dumps(part) for part in (value if isinstance(value, list) else [value])).encode()
