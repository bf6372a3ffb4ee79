"""What a job may say of itself; every refusal is one sentence that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping

from node3nb.errors import JobSpecError

#: Largest command in bytes; Linux allows 128 KiB for one argument (MAX_ARG_STRLEN).
MAX_COMMAND_BYTES = 128 * 1024
#: Largest environment in bytes, all names and values together.
MAX_ENVIRONMENT_BYTES = 64 * 1024
#: Largest text of all `files` together, in bytes.
MAX_FILES_BYTES = 1 << 20
#: Most `files` a job may carry.
MAX_FILES = 64
#: Longest line of text, in characters, and longest URL.
MAX_TEXT_CHARS = 512
MAX_URL_CHARS = 8192
#: A week: no job of ours runs longer, in seconds.
MAX_TIMEOUT_S = 7 * 86_400.0
#: Far above any machine, so that sums never overflow a C long.
MAX_BYTES = 1 << 50

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
#: Controls, also those above ASCII, separators of lines, and what reverses the text beside it.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


#: Least and most of every number a job names; memory and disk in bytes, times in seconds.
BOUNDS = {
    "cpus": (0.01, 4096),
    "memory_bytes": (1, MAX_BYTES),
    "disk_bytes": (1, MAX_BYTES),
    "disk_files": (1, 100_000_000),
    "timeout": (0.001, MAX_TIMEOUT_S),
    "processes": (1, 1_000_000),
    "log_bytes": (2, 1 << 30),
    "grace_s": (0, 3600),
    "gpus": (0, 1024),
    "gpu_memory_required": (0, MAX_BYTES),
    "reward": (0, 1e15),
    "estimated_duration": (0, 1e9),
}


def check_numbers(**numbers: object) -> None:
    """Refuse what is no number, or lies outside the `BOUNDS` of its name."""
    for name, value in numbers.items():
        least, most = BOUNDS[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise JobSpecError(f"{name}: {printable(value)} is not a number.")
        if not least <= value <= most:  # holds for no NaN
            told = f"{printable(value)} is not between {least:g} and {most:g}"
            raise JobSpecError(f"{name}: {told}.")


def check_job_id(job_id: object) -> None:
    """Refuse an id that could not be the name of a directory."""
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise JobSpecError("job_id: use 1 to 128 letters, digits, dots, dashes and underscores.")


def is_job_id(word: str) -> bool:
    """Return whether a stranger's name for a job is one; others may be code on somebody's line."""
    return _JOB_ID.fullmatch(word) is not None


def check_texts(**texts: object) -> None:
    """Refuse what is no plain line of text, or too long a one."""
    for name, text in texts.items():
        longest = MAX_URL_CHARS if name.endswith("_url") else MAX_TEXT_CHARS
        _check_text(name, text, longest)


def check_sha256(digest: str) -> None:
    """Refuse what is no SHA-256 in hex; empty is none."""
    if digest and not _SHA256.fullmatch(digest):
        raise JobSpecError("input_sha256: give the SHA-256 as 64 hexadecimal digits.")


def check_command(command: object) -> None:
    """Refuse a command that no system would execute."""
    if not isinstance(command, tuple):
        raise JobSpecError("command: give a list of strings, not one string.")
    if not command or not command[0]:
        raise JobSpecError("command: it is empty; name a program to run.")
    for part in command:
        _encodable("command", part)
        if "\0" in part:
            raise JobSpecError("command: an argument holds a NUL character; remove it.")
    size = sum(len(part.encode()) + 1 for part in command)
    if size > MAX_COMMAND_BYTES:
        raise JobSpecError(
            f"command: {size} bytes are more than the {MAX_COMMAND_BYTES} allowed; "
            "put the rest into a file."
        )


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse variables that no process could be given, or that hide a second line."""
    size = 0
    for name, value in environment.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise JobSpecError(f"environment: {printable(name)} is no name for a variable.")
        _encodable(f"environment.{name}", value)
        if "\0" in value or "\n" in value or "\r" in value:
            raise JobSpecError(f"environment.{name}: remove the NUL or line break from its value.")
        size += len(name) + len(value.encode()) + 2
    if size > MAX_ENVIRONMENT_BYTES:
        raise JobSpecError(
            f"environment: {size} bytes are more than the {MAX_ENVIRONMENT_BYTES} allowed."
        )


def check_files(files: Mapping[str, str]) -> None:
    """Refuse files with anything but a plain name, and too many or too large ones."""
    if len(files) > MAX_FILES:
        raise JobSpecError(f"files: {len(files)} are more than the {MAX_FILES} allowed.")
    for name, text in files.items():
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name) or name.endswith((" ", ".")):
            raise JobSpecError(f"files: {printable(name)} is no plain file name.")
        _encodable(f"files.{name}", text)
    size = sum(len(text.encode()) for text in files.values())
    if size > MAX_FILES_BYTES:
        raise JobSpecError(f"files: {size} bytes are more than the {MAX_FILES_BYTES} allowed.")


def _check_text(name: str, text: object, longest: int) -> None:
    line = _encodable(name, text)
    if len(line) > longest or _CONTROL.search(line):
        raise JobSpecError(f"{name}: use at most {longest} characters, no control characters.")


def _encodable(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise JobSpecError(f"{name}: it is not text; give a string.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise JobSpecError(f"{name}: it is not valid UTF-8; encode it as UTF-8.") from None
    return text


def printable(value: object, longest: int = 60) -> str:
    """Return a short, inert rendering of something untrusted for use in a message."""
    shown = ascii(value)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
