"""Keys: who a caller is.  Only a key's SHA-256 is kept; the key itself is shown once."""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from node3nb.errors import ConfigError
from node3nb.marketplace import durable

#: Name of the keys' file below the data directory.
KEYS_FILE = "keys.json"


class Role(enum.StrEnum):
    """What a key is for."""

    #: Runs the marketplace; sees and submits everything.
    ADMIN = "admin"
    #: Submits jobs and sees its own.
    CONSUMER = "consumer"
    #: Runs jobs.
    AGENT = "agent"
    #: Lets its bearer register agents, and nothing else.
    INVITATION = "invitation"
    #: Reads `/metrics`, and nothing else.
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a call, as far as its key tells."""

    #: What it may do.
    role: Role
    #: The agent or the consumer it speaks for; `admin` for an administrator.
    owner: str
    #: Name of the key; empty where none was sent.
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class KeysFile:
    """What `keys.json` holds: the keys of the first start, for their owner alone."""

    #: Key of the administrator.
    admin: str
    #: Key of the first consumer.
    consumer: str
    #: Secret that the URLs of artifacts are signed with; never sent.
    url_secret: str


def new_key(role: Role) -> str:
    """Return a key nobody can guess; its middle part names it without being secret."""
    return f"n3_{role}_{secrets.token_hex(8)}_{secrets.token_hex(32)}"


def name_of(key: str) -> str:
    """Return the part of a key by which it is found; empty when it is no key."""
    parts = key.split("_")
    return parts[2] if len(parts) == 4 else ""


def sha256_of(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def matches(key: str, sha256: str) -> bool:
    """Whether a key is the one that was kept, in a time that tells nothing."""
    return hmac.compare_digest(sha256_of(key), sha256)


def digest(secret: str, what: str) -> str:
    """Return what something is known by to those who know the secret, and to nobody else."""
    return hmac.digest(secret.encode(), what.encode(), hashlib.sha256).hex()[:32]


def url_token(url_secret: str, job_id: str, acceptance: int, agent_id: str) -> str:
    """Return the word that opens a job's artifacts to one acceptance by one agent.

    It is derived, not kept: the same offer always carries the same word, and the next
    acceptance, or another agent's, has a different one.
    """
    message = f"{job_id}/{acceptance}/{agent_id}".encode()
    return hmac.new(url_secret.encode(), message, hashlib.sha256).hexdigest()


def load_or_create(data_dir: Path) -> KeysFile:
    """Return the keys of a data directory, made at its first start with mode 0600.

    Raises
    ------
    ConfigError
        The file is there but can't be read.
    """
    path = data_dir / KEYS_FILE
    if not path.exists():
        fresh = KeysFile(
            admin=new_key(Role.ADMIN),
            consumer=new_key(Role.CONSUMER),
            url_secret=secrets.token_hex(32),
        )
        durable.write(path, json.dumps(asdict(fresh), indent=2).encode())
    try:
        return KeysFile(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            f"{path} does not hold the marketplace's keys; remove it to have new ones made."
        ) from None
