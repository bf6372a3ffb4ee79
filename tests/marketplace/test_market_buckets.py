"""How a marketplace is told of its bucket: a real one of SeaweedFS."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from marketplace.market_parts import Market, refusal, said
from support.seaweed import Seaweed

from node3nb.errors import ConfigError
from node3nb.marketplace.artifacts.s3 import Bucket

CONTENT = os.urandom(300_000)


@pytest.mark.parametrize(
    ("url", "environment", "told"),
    [
        ("http://bucket", {}, "s3://BUCKET/PREFIX"),
        ("s3://key:secret@bucket", {}, "s3://BUCKET/PREFIX"),
        ("s3://node3nb-test", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses to keep files"),
        ("s3://node3nb-test", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
        ("s3://node3nb-test", {"AWS_PROFILE": "no-such-profile"}, "no-such-profile"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused_in_a_sentence(
    s3: Seaweed,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    environment: dict[str, str],
    told: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        Bucket(url, "me")
    assert told in str(caught.value)
    assert s3.secret_key not in str(caught.value)


def test_keys_come_from_a_profile(
    s3: Seaweed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        f"[market]\naws_access_key_id={s3.access_key}\naws_secret_access_key={s3.secret_key}\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "market")
    assert Bucket(f"s3://{s3.bucket}", "me").past_server is not None


def test_the_command_line_keeps_files_in_a_bucket(s3: Seaweed, tmp_path: Path) -> None:
    prefix = secrets.token_hex(4)
    command = [
        *(sys.executable, "-m", "node3nb", "marketplace", "--port", "0", "--data", str(tmp_path)),
        *("--artifacts", f"s3://{s3.bucket}/{prefix}", "--quota", "1M"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            where = process.stdout.readline().split()[-1]
            market = Market(where, tmp_path)
            job_id = market.consumer.submit(awaits_input=True)
            said(market.consumer.put(f"/api/jobs/{job_id}/input", CONTENT))
            job_id = market.consumer.submit(awaits_input=True)
            too_much = {"bytes": 1 << 20, "sha256": "0" * 64}
            assert refusal(market.consumer.post(f"/api/jobs/{job_id}/input", too_much))[0] == 507
            market.close()
        finally:
            process.terminate()
    assert len([key for key in s3.objects() if key.startswith(f"{prefix}/")]) == 1
