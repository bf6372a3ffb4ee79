"""Settings from outside: the only reader of the environment and of configuration files."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from node3nb.errors import ConfigError
from node3nb.secret_text import Secret

#: Environment variable of each kind of key.
KEY_VARIABLES = {
    "agent": "NODE3_API_KEY",
    "consumer": "NODE3_CONSUMER_KEY",
    "admin": "NODE3_ADMIN_KEY",
    "invitation": "NODE3_INVITATION",
}
#: Marketplace asked when none is named.
DEFAULT_MARKETPLACE = "http://127.0.0.1:8000"
#: Longest path of a unix socket, in bytes, that every system takes (unix(7): 108; macOS: 104).
MAX_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class EngineHints:
    """Where the environment says that container engines may be found."""

    #: Engine the owner named, as a URL; empty for none.
    docker_host: str = ""
    #: Context the owner named; empty for the current one.
    docker_context: str = ""
    #: Directory of Docker's own settings.
    docker_config: Path = Path("/nonexistent")
    #: Directory of the user's sockets; None for none.
    runtime_dir: Path | None = None
    #: The user's home directory.
    home: Path = Path("/nonexistent")
    #: Root of the paths of the system's own sockets.
    root: Path = Path("/")
    #: Where programs are looked for.
    program_path: str = ""


def state_dir() -> Path:
    """Return the directory of everything that outlives a process; `NODE3_HOME` moves it."""
    home = os.environ.get("NODE3_HOME")
    path = (
        Path(home).absolute() if home else platformdirs.user_state_path("node3nb", appauthor=False)
    )
    return _private(path)


def work_dir() -> Path:
    """Return the directory of the workspaces."""
    return _private(state_dir() / "work")


def outbox_dir() -> Path:
    """Return the directory of results not yet delivered."""
    return _private(state_dir() / "outbox")


def ledger_file() -> Path:
    """Return the file of what has been earned."""
    return state_dir() / "ledger.sqlite"


def container_locks_dir() -> Path:
    """Return the directory of the locks that tell which providers' containers are in use."""
    return _private(state_dir() / "containers")


def pulled_images_file() -> Path:
    """Return where the images are noted that were pulled for jobs."""
    return container_locks_dir() / "images.json"


def control_dir() -> Path:
    """Return the directory of the providers' control sockets."""
    return _private(state_dir() / "control")


def control_socket() -> Path:
    """Return where the control socket of this process's provider is.

    Raises
    ------
    ConfigError
        The path is too long for a socket.
    """
    path = control_dir() / f"{os.getpid()}.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    raise ConfigError(f"The path {path} is too long for a socket; set NODE3_HOME to a shorter one.")


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The directory {path} can't be made ({error.strerror}); set NODE3_HOME to another."
        ) from error
    if os.name == "posix":
        _check_owner(path)
    return path


def _check_owner(path: Path) -> None:
    """Refuse a directory in which others may put links and files in the place of ours."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise ConfigError(f"The directory {path} is another user's; set NODE3_HOME to your own.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"Others may write to the directory {path}; see that all in it is yours, then run: "
            f"chmod go-w {path}"
        )


def marketplace_url(given: str | None) -> str:
    """Return the marketplace to use: the one named, `NODE3_MARKETPLACE`, or the local one."""
    return given or os.environ.get("NODE3_MARKETPLACE") or DEFAULT_MARKETPLACE


def stores() -> frozenset[str]:
    """Return the servers of one's own network where marketplaces may keep files.

    `NODE3_STORES` names them as URLs, with blanks between.
    """
    return frozenset(os.environ.get("NODE3_STORES", "").split())


def database_url(given: str | None) -> str | None:
    """Return the marketplace's database: the one named or `NODE3_DB`; None leaves it the choice."""
    return given or os.environ.get("NODE3_DB") or None


def engine_hints() -> EngineHints:
    """Return what the environment says of container engines."""
    home = Path.home()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return EngineHints(
        docker_host=os.environ.get("DOCKER_HOST", ""),
        docker_context=os.environ.get("DOCKER_CONTEXT", ""),
        docker_config=Path(os.environ.get("DOCKER_CONFIG") or home / ".docker"),
        runtime_dir=Path(runtime) if runtime else None,
        home=home,
        program_path=os.environ.get("PATH", os.defpath),
    )


def key(kind: str, url: str, keys_file: Path | None = None) -> str:
    """Return a key for the marketplace at `url`; empty when there is none.

    A file that is named comes first, then the environment, then what was kept: a key in the
    environment is for one marketplace, and must not go to another whose file is named.

    Parameters
    ----------
    kind
        `agent`, `consumer`, `admin` or `invitation`.
    url
        The marketplace; a key kept for one is never shown to another.
    keys_file
        A file of keys to read instead of our own, as a marketplace writes it.

    Raises
    ------
    ConfigError
        A file of keys can't be read, or others may read it.
    """
    if keys_file is not None and (named := _named_key(kind, keys_file)):
        return Secret(named)
    from_environment = os.environ.get(KEY_VARIABLES.get(kind, ""), "").strip()
    if from_environment:
        return Secret(from_environment)
    kept = _read_private(_own_keys()).get(origin(url), {})
    return Secret(kept.get(kind, "")) if isinstance(kept, dict) else ""


def keep_keys(url: str, keys: Mapping[str, str]) -> None:
    """Remember keys that the marketplace at `url` has given us, by kind; on disk afterwards.

    Raises
    ------
    OSError
        They can't be kept; what was kept before still is.
    """
    path = _own_keys()
    kept = _read_private(path)
    known = kept.get(origin(url))
    kept[origin(url)] = {**(known if isinstance(known, dict) else {}), **keys}
    _write_private(path, kept)


def check_key_file(path: Path) -> Mapping[str, object]:
    """Return what a file of keys holds, by kind; it can be written anew.

    Raises
    ------
    ConfigError
        It can't be read or written, or others may read it.
    """
    held = _read_private(path)
    try:
        with tempfile.NamedTemporaryFile(prefix=path.name, dir=path.parent):
            return held
    except OSError as error:
        told = f"The file {path} can't be written ({error.strerror}); name another."
        raise ConfigError(told) from None


def put_key(path: Path, kind: str, key: str) -> None:
    """Put a key into a file of keys, as a marketplace writes it; what else it holds stays.

    Raises
    ------
    ConfigError
        The file can't be read, or others may read it.
    """
    _write_private(path, {**_read_private(path), kind: key})


def _write_private(path: Path, kept: Mapping[str, object]) -> None:
    fd, part = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(fd, "w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(fd)
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise


def origin(url: str) -> str:
    """Return scheme, host and port of a URL.

    Raises
    ------
    ConfigError
        It is no URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        told = f"{url!a} is no marketplace; give a URL like https://host:port."
        raise ConfigError(told) from None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _named_key(kind: str, path: Path) -> str:
    """Return a key from the file the owner named, which has to be there."""
    if not path.exists():
        raise ConfigError(f"keys: {path} is not there; name a file of keys.")
    return str(_read_private(path).get(kind, "")).strip()


def _own_keys() -> Path:
    return state_dir() / "keys.json"


def _read_private(path: Path) -> dict[str, object]:
    """Return the content of a file of keys; one that is not there is empty."""
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise ConfigError(f"Others may read the keys in {path}; run: chmod 600 {path}")
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise ConfigError(f"The keys in {path} can't be read; remove or mend the file.") from None
    return content if isinstance(content, dict) else {}
