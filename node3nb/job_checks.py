"""What a job may say of itself; every refusal is one sentence that names the field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from node3nb.errors import JobSpecError

if TYPE_CHECKING:
    from node3nb.jobs import JobSpec, Requirements, ResourceLimits

#: Largest command in bytes; Linux allows 128 KiB for one argument (MAX_ARG_STRLEN).
MAX_COMMAND_BYTES = 128 * 1024
#: Largest environment in bytes, all names and values together.
MAX_ENVIRONMENT_BYTES = 64 * 1024
#: Largest text of all `files` together, in bytes.
MAX_FILES_BYTES = 1 << 20
#: Most `files` a job may carry.
MAX_FILES = 64
#: Longest URL, in characters.
MAX_URL_CHARS = 8192
#: A week: no job of ours runs longer, in seconds.
MAX_TIMEOUT_S = 7 * 86_400.0
#: Far above any machine, so that sums never overflow a C long.
MAX_BYTES = 1 << 50

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check_spec(spec: JobSpec) -> None:
    """Refuse a job whose fields can't be honoured.

    Raises
    ------
    JobSpecError
        The first field that is not acceptable, named.
    """
    if not isinstance(spec.job_id, str) or not _JOB_ID.fullmatch(spec.job_id):
        raise JobSpecError("job_id: use 1 to 128 letters, digits, dots, dashes and underscores.")
    _check_command(spec.command)
    _check_environment(spec.environment)
    _check_files(spec.files)
    for name in ("job_type", "image"):
        _check_text(name, getattr(spec, name), 512)
    for name in ("input_url", "output_url"):
        _check_text(name, getattr(spec, name), MAX_URL_CHARS)
    if spec.input_sha256 and not _SHA256.fullmatch(spec.input_sha256):
        raise JobSpecError("input_sha256: give the SHA-256 as 64 hexadecimal digits.")
    _check_number("reward", spec.reward, 0.0, 1e15)
    _check_number("estimated_duration", spec.estimated_duration_s, 0.0, 1e9)


def check_limits(limits: ResourceLimits) -> None:
    """Refuse caps that are missing, negative, not numbers or beyond any machine."""
    _check_number("cpus", limits.cpus, 0.01, 4096)
    _check_number("memory_bytes", limits.memory_bytes, 1, MAX_BYTES)
    _check_number("disk_bytes", limits.disk_bytes, 1, MAX_BYTES)
    _check_number("disk_files", limits.disk_files, 1, 100_000_000)
    _check_number("timeout", limits.timeout_s, 0.001, MAX_TIMEOUT_S)
    _check_number("processes", limits.processes, 1, 1_000_000)
    _check_number("log_bytes", limits.log_bytes, 2, 1 << 30)
    _check_number("grace_s", limits.grace_s, 0, 3600)


def check_requirements(needs: Requirements) -> None:
    """Refuse needs that no machine could meet."""
    _check_number("gpus", needs.gpus, 0, 1024)
    _check_number("gpu_memory_required", needs.gpu_memory_bytes, 0, MAX_BYTES)


def _check_command(command: object) -> None:
    if not isinstance(command, tuple):
        raise JobSpecError("command: give a list of strings, not one string.")
    if not command or not command[0]:
        raise JobSpecError("command: it is empty; name a program to run.")
    for part in command:
        _check_encodable("command", part)
        if "\0" in part:
            raise JobSpecError("command: an argument holds a NUL character; remove it.")
    size = sum(len(part.encode()) + 1 for part in command)
    if size > MAX_COMMAND_BYTES:
        raise JobSpecError(
            f"command: {size} bytes are more than the {MAX_COMMAND_BYTES} allowed; "
            "put the rest into a file."
        )


def _check_environment(environment: Mapping[str, str]) -> None:
    size = 0
    for name, value in environment.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise JobSpecError(f"environment: {printable(name)} is no name for a variable.")
        _check_encodable(f"environment.{name}", value)
        if "\0" in value or "\n" in value or "\r" in value:
            raise JobSpecError(f"environment.{name}: remove the NUL or line break from its value.")
        size += len(name) + len(value.encode()) + 2
    if size > MAX_ENVIRONMENT_BYTES:
        raise JobSpecError(
            f"environment: {size} bytes are more than the {MAX_ENVIRONMENT_BYTES} allowed."
        )


def _check_files(files: Mapping[str, str]) -> None:
    if len(files) > MAX_FILES:
        raise JobSpecError(f"files: {len(files)} are more than the {MAX_FILES} allowed.")
    for name, text in files.items():
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name) or name.endswith((" ", ".")):
            raise JobSpecError(f"files: {printable(name)} is no plain file name.")
        _check_encodable(f"files.{name}", text)
    size = sum(len(text.encode()) for text in files.values())
    if size > MAX_FILES_BYTES:
        raise JobSpecError(f"files: {size} bytes are more than the {MAX_FILES_BYTES} allowed.")


def _check_text(name: str, text: str, longest: int) -> None:
    _check_encodable(name, text)
    if len(text) > longest or _CONTROL.search(text):
        raise JobSpecError(f"{name}: use at most {longest} characters, no control characters.")


def _check_encodable(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise JobSpecError(f"{name}: it is not text; give a string.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JobSpecError(f"{name}: it is not valid UTF-8; encode it as UTF-8.") from None


def _check_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise JobSpecError(f"{name}: {printable(value)} is not a number.")
    if not least <= value <= most:
        raise JobSpecError(f"{name}: {value:g} is not between {least:g} and {most:g}.")


def printable(value: object, longest: int = 60) -> str:
    """Return a short, inert rendering of something untrusted for use in a message."""
    shown = ascii(value)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
