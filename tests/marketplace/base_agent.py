"""An agent that speaks only the base table, written from protocol.md with nothing of node3nb."""

from __future__ import annotations

from typing import Any

import requests

CALL_S = 30


class BaseAgent:
    """Registers, polls, accepts, fetches, uploads, reports; knows no lease and no long poll."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        answer = self._post(
            "/api/agents/register",
            {
                "wallet_address": "0x1234",
                "gpu_model": "RTX 4090",
                "gpu_vendor": "NVIDIA",
                "gpu_memory": 24 << 30,
                "compute_capability": "8.9",
            },
        )
        answer.raise_for_status()
        self.agent_id = answer.json()["agent_id"]
        self.session.headers["X-API-Key"] = answer.json()["api_key"]

    def heartbeat(self) -> dict[str, Any]:
        answer = self.session.post(f"{self.url}/api/agents/heartbeat", timeout=CALL_S)
        answer.raise_for_status()
        return dict(answer.json())

    def available(self) -> list[dict[str, Any]]:
        answer = self._post(
            "/api/jobs/available",
            {
                "gpu_model": "RTX 4090",
                "gpu_vendor": "NVIDIA",
                "gpu_type": "cuda",
                "compute_framework": "CUDA",
                "gpu_memory": 24 << 30,
                "compute_capability": "8.9",
                "max_concurrent_jobs": 1,
            },
        )
        answer.raise_for_status()
        return list(answer.json()["jobs"])

    def accept(self, job_id: str) -> requests.Response:
        return self._post(f"/api/jobs/{job_id}/accept", {"wallet_address": "0x1234"})

    def complete(self, job_id: str) -> requests.Response:
        report = {
            "status": "completed",
            "started_at": "2026-01-01T00:00:00",
            "completed_at": "2026-01-01T00:00:02",
            "duration": 2.0,
            "output_data": {"stdout": "42\n"},
            "execution_time": 1.9,
            "metrics": {"cpu": 0.5},
        }
        return self._post(f"/api/jobs/{job_id}/complete", report)

    def fail(self, job_id: str, **told: str) -> requests.Response:
        report = {
            "status": "failed",
            "error_message": "CUDA out of memory",
            "started_at": "2026-01-01T00:00:00",
            "failed_at": "2026-01-01T00:00:02",
        }
        return self._post(f"/api/jobs/{job_id}/fail", {**report, **told})

    @staticmethod
    def fetch(url: str) -> requests.Response:
        """Fetch an input as any URL: without a key."""
        return requests.get(url, timeout=CALL_S)

    @staticmethod
    def upload(url: str, content: bytes) -> requests.Response:
        """Send outputs as to any URL: without a key."""
        return requests.put(url, data=content, timeout=CALL_S)

    def close(self) -> None:
        self.session.close()

    def _post(self, path: str, body: dict[str, Any]) -> requests.Response:
        return self.session.post(self.url + path, json=body, timeout=CALL_S)
