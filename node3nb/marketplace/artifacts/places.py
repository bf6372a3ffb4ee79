"""Which place for files a marketplace has."""

from __future__ import annotations

import hashlib

from node3nb.errors import ConfigError
from node3nb.marketplace.artifacts.local import Directory
from node3nb.marketplace.artifacts.store import Store
from node3nb.marketplace.settings import Settings


def open_store(settings: Settings, url_secret: str) -> Store:
    """Return the bucket that the settings name, or the data directory.

    Raises
    ------
    ConfigError
        It can't be used, or the packages of the extra `s3` are not installed.
    """
    if settings.artifacts_url is None:
        return Directory(settings.data_dir / "artifacts", settings.max_artifact_bytes)
    try:
        from node3nb.marketplace.artifacts.s3 import Bucket  # noqa: PLC0415 - an extra
    except ImportError as error:
        told = f"A bucket needs {error.name}; run: pip install 'node3nb[marketplace,s3]'"
        raise ConfigError(told) from error
    return Bucket(settings.artifacts_url, hashlib.sha256(url_secret.encode()).hexdigest()[:16])
