"""What the fuzzer needs to know of us: how lines of JSON are written."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A text as it is; anything else as one line of JSON, or one for each of its parts."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return "\n".join(json.dumps(part) for part in (value if isinstance(value, list) else [value])).encode()
