"""The calls of the protocol's base table, as a plain marketplace answers them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.base_marketplace import BaseMarketplace, Call, Job

Answer = tuple[int, Any]
_NO_SUCH_JOB: Answer = (404, {"detail": "Job not found"})


def agent_of(market: BaseMarketplace, call: Call) -> str | None:
    key = call.headers.get("x-api-key")
    return next((each for each, agent in market.agents.items() if agent["api_key"] == key), None)


def _register(market: BaseMarketplace, call: Call, _agent_id: str | None) -> Answer:
    needed = ("wallet_address", "gpu_model", "gpu_vendor", "gpu_memory")
    if not isinstance(call.json, dict) or any(name not in call.json for name in needed):
        return 422, {"detail": f"needed: {needed}"}
    agent_id, key = f"agent-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    market.agents[agent_id] = {**call.json, "api_key": key}
    return 200, {"agent_id": agent_id, "api_key": key, "message": "Agent registered"}


def _heartbeat(_market: BaseMarketplace, _call: Call, _agent_id: str | None) -> Answer:
    return 200, {"status": "ok", "timestamp": datetime.now(UTC).isoformat()}


def _available(market: BaseMarketplace, call: Call, _agent_id: str | None) -> Answer:
    memory = (call.json or {}).get("gpu_memory") or 0
    return 200, {
        "jobs": [
            job.wire
            for job in market.jobs.values()
            if job.status == "available" and _memory_required(job) <= memory
        ]
    }


def _memory_required(job: Job) -> int:
    required = job.wire.get("gpu_memory_required") if isinstance(job.wire, dict) else 0
    return required if isinstance(required, int) else 0


def _accept(market: BaseMarketplace, call: Call, agent_id: str | None, job_id: str) -> Answer:
    job = market.jobs.get(job_id)
    if job is None:
        return _NO_SUCH_JOB
    if job.status != "available":
        return 400, {"detail": "Job is no longer available"}
    if not isinstance(call.json, dict) or not call.json.get("wallet_address"):
        return 422, {"detail": "wallet_address is needed"}
    job.status, job.agent_id = "accepted", agent_id
    job.accepted.append(call.json)
    return 200, {"status": "accepted", "job_id": job_id, "reward": job.wire.get("reward")}


def _complete(market: BaseMarketplace, call: Call, agent_id: str | None, job_id: str) -> Answer:
    refused = _refused(market, agent_id, job_id)
    if refused:
        return refused
    job = market.jobs[job_id]
    job.status = "completed"
    job.completed.append(call.json)
    return 200, {"status": "completed", "job_id": job_id, "reward": job.wire.get("reward")}


def _fail(market: BaseMarketplace, call: Call, agent_id: str | None, job_id: str) -> Answer:
    refused = _refused(market, agent_id, job_id)
    if refused:
        return refused
    job = market.jobs[job_id]
    job.status = "failed"
    job.failed.append(call.json)
    return 200, {"status": "failed", "job_id": job_id}


def _refused(market: BaseMarketplace, agent_id: str | None, job_id: str) -> Answer | None:
    job = market.jobs.get(job_id)
    if job is None:
        return _NO_SUCH_JOB
    if job.agent_id != agent_id or job.status == "available":
        return 403, {"detail": "Job is not assigned to this agent"}
    if job.status != "accepted":
        return 400, {"detail": f"Job is {job.status}"}
    return None


def _get_input(market: BaseMarketplace, _call: Call, _agent_id: str | None, name: str) -> Answer:
    if name not in market.inputs:
        return 404, {"detail": "no such input"}
    return 200, market.inputs[name]


def _put_output(market: BaseMarketplace, call: Call, _agent_id: str | None, name: str) -> Answer:
    market.outputs[name] = call.body
    return 200, b""


def _health(_market: BaseMarketplace, _call: Call, _agent_id: str | None) -> Answer:
    return 200, {"status": "healthy"}


def _create(market: BaseMarketplace, call: Call, _agent_id: str | None) -> Answer:
    if call.headers.get("x-api-key") != market.admin_key:
        return 403, {"detail": "Admin key needed"}
    return 200, {"job_id": market.add_job(**call.json), "status": "available"}


def _stats(market: BaseMarketplace, call: Call, _agent_id: str | None) -> Answer:
    if call.headers.get("x-api-key") != market.admin_key:
        return 403, {"detail": "Admin key needed"}
    return 200, {"total_jobs": len(market.jobs), "total_agents": len(market.agents)}


def _agents(market: BaseMarketplace, _call: Call, _agent_id: str | None) -> Answer:
    return 200, {"agents": [{"agent_id": agent_id} for agent_id in market.agents]}


def _jobs(market: BaseMarketplace, _call: Call, _agent_id: str | None) -> Answer:
    return 200, {
        "jobs": [{"job_id": job_id, "status": job.status} for job_id, job in market.jobs.items()]
    }


#: Method, path, who answers, and whether an agent's key is needed.
CALLS: tuple[tuple[str, str, Any, bool], ...] = (
    ("POST", "/api/agents/register", _register, False),
    ("POST", "/api/agents/heartbeat", _heartbeat, True),
    ("POST", "/api/jobs/available", _available, True),
    ("POST", "/api/jobs/([^/]+)/accept", _accept, True),
    ("POST", "/api/jobs/([^/]+)/complete", _complete, True),
    ("POST", "/api/jobs/([^/]+)/fail", _fail, True),
    ("POST", "/api/admin/jobs/create", _create, False),
    ("GET", "/api/admin/stats", _stats, False),
    ("GET", "/api/marketplace/agents", _agents, False),
    ("GET", "/api/jobs", _jobs, False),
    ("GET", "/api/status", _health, False),
    ("GET", "/health", _health, False),
    ("GET", "/inputs/([^/]+)", _get_input, False),
    ("PUT", "/outputs/([^/]+)", _put_output, False),
)
