"""Answers of a server that may say anything: as JSON, with wrong fields, and as bytes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from node3nb.marketplace.wire import protocol
from node3nb.marketplace.wire.turn_wire import Told, Turned

#: JSON as text, for no Python object is written as some of it.
LEAVES = st.one_of(
    st.sampled_from(["null", "true", "0", "-1", "1", "1.5", '""', "[]", "{}", '"job-1"']),
    st.sampled_from(["1e400", "-1e400", "9" * 5000, "NaN", "-Infinity", "1e-400", str(2**63)]),
    st.sampled_from([r'"\ud800"', r'"\u0000"', r'"\u202e\u001b[2J"', f'"{"x" * 70_000}"']),
    st.text(max_size=20).map(json.dumps),
)


def objects(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> Any:
    pairs = st.dictionaries(names, values, max_size=12)
    return pairs.map(
        lambda each: "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in each.items()) + "}"
    )


NAMES = sorted(
    {
        name
        for model in (
            protocol.Registered,
            protocol.HeartbeatAnswer,
            protocol.AvailableAnswer,
            protocol.Accepted,
            protocol.Outcome,
            protocol.JobOffer,
            protocol.JobNeeds,
            protocol.JobView,
            protocol.UploadPermit,
            Told,
            Turned,
        )
        for name in model.model_fields
    }
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda each: f"[{','.join(each)}]"),
        objects(st.sampled_from([*NAMES, "job-1", "\ud800"]), inner),
    ),
    max_leaves=12,
)


def nearly(right: dict[str, Any]) -> Any:
    """Return answers that are right but for some fields."""
    told = {name: json.dumps(value) for name, value in right.items()}
    changed = st.dictionaries(st.sampled_from(sorted(right)), ANYTHING, max_size=3)
    return changed.map(
        lambda new: "{" + ",".join(f'"{k}":{v}' for k, v in {**told, **new}.items()) + "}"
    )


HEADERS = [
    "Content-Type: text/html",
    "Content-Encoding: gzip",
    "Content-Encoding: " + ", ".join(["deflate"] * 9),
    "Transfer-Encoding: chunked",
    "Content-Length: -5",
    "Content-Length: 3, 4",
    "Content-Length: " + "9" * 5000,
    "Location: http://[",
    "Location: \xff\xfe",
    "Location: http://\x00/",
    "Location: /elsewhere",
    "Retry-After: " + "9" * 5000,
    "Retry-After: 1e400",
    "Retry-After: nan",
    "Set-Cookie: a=b; Max-Age=" + "9" * 400,
    "Set-Cookie: \xff=\x01; Expires=never",
    "Connection: keep-alive",
    "X: " + "y" * 70_000,
    "no header at all",
    ": nameless",
]
STATUSES = [b"HTTP/1.1 %d X" % code for code in (100, 101, 200, 204, 301, 307, 401, 429, 503, 999)]
LINES = [*STATUSES, b"HTTP/1.1 99999 X", b"HTTP/1.1 abc", b"HTTP/9.9 200", b"", b"\xff" * 70_000]
RAW = st.builds(
    lambda line, headers, body: (
        b"\r\n".join([line, *(h.encode("latin-1") for h in headers)]) + b"\r\n\r\n" + body
    ),
    st.sampled_from(LINES),
    st.lists(st.sampled_from(HEADERS), max_size=4, unique=True),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"{}", b"5\r\n{}\r\n", b"zz\r\n", b'{"jobs": []}', b"-1\r\n{}\r\n"]),
    ),
)

DEPTHS = {
    "lists": b"[" * 1_000_000,
    "objects": b'{"a":' * 1_000_000,
    "in a list of jobs": b'{"jobs":' + b"[" * 900 + b"]" * 900 + b"}",
    "in a job": b'{"jobs":[{"job_id":"j","command":' + b"[" * 800 + b"]" * 800 + b"}]}",
    "too large": b'{"jobs":["' + b"x" * (9 << 20) + b'"]}',
    "large": b'{"jobs":[' + b"1," * (2 << 20) + b"1]}",
    "no UTF-8": b'{"jobs":["\xff\xfe"]}',
}
