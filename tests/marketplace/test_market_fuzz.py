"""Every call that OpenAPI tells of, with what it allows and with what it does not.

`NODE3_FUZZ_EXAMPLES` has each call tried more often; the examples are the same in every run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from marketplace.market_parts import Market, said
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from node3nb.marketplace.app import create_app
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings

EXAMPLES = int(os.environ.get("NODE3_FUZZ_EXAMPLES", "12"))
#: Refusals that come before a call is looked at.
TOO_MUCH = {413, 414, 429, 431}
CHECKS = [
    not_a_server_error,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]


def calls() -> list[tuple[str, str, GenerationMode]]:
    """Return the methods and paths there are, and with what they can be tried."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = create_app(Settings(Path(scratch))).openapi()["paths"]
    return [
        (method.upper(), path, mode)
        for path in paths
        for method, call in paths[path].items()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or "parameters" in call or "requestBody" in call
    ]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    where = Settings(tmp_path_factory.mktemp("fuzz"), agents_per_address=1_000_000)
    with running(where) as url:
        market = Market(url, where.data_dir)
        yield market
        market.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", calls(), ids=lambda call: f"{call[0]} {call[1]} {call[2].value}")
def test_no_call_fails_and_none_takes_what_its_schema_forbids(
    fuzzed: Market, call: tuple[str, str, GenerationMode]
) -> None:
    method, path, mode = call
    schema = schemathesis.openapi.from_dict(_without_keys(said(fuzzed.nobody.get("/openapi.json"))))
    agent = fuzzed.agent()
    keys = {"X-API-Key": str(_caller(fuzzed, agent.key, method, path))}

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def tried(case: schemathesis.Case) -> None:
        answer = case.call(base_url=fuzzed.url, headers=keys, timeout=60)
        checks = CHECKS if answer.status_code not in TOO_MUCH else CHECKS[:1]
        case.validate_response(answer, checks=checks, headers=keys)

    given(case=schema[path][method].as_strategy(generation_mode=mode))(tried)()


def _without_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out where keys go: a key in another place is no data that a call has to refuse."""
    for calls_of_path in document["paths"].values():
        for call in calls_of_path.values():
            call.pop("security", None)
    return document


def _caller(market: Market, agent_key: str | None, method: str, path: str) -> str | None:
    """Return the key of somebody who may make a call."""
    agents = ("available", "heartbeat", "accept", "complete", "fail", "release")
    if path.endswith(agents) or (method in {"PUT", "PATCH"} and not path.endswith("input")):
        return agent_key
    return market.admin.key
