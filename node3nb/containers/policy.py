"""What an owner lets containers do: which images, from where, how much of the disk."""

from __future__ import annotations

import fnmatch
import re
import sys
from dataclasses import dataclass

from node3nb.containers.references import LIBRARY, Reference, host_of_policy, parse
from node3nb.errors import ConfigError, JobSpecError
from node3nb.jobs import GIB

#: Registries whose images may be pulled unless the owner says otherwise: the large public ones.
PUBLIC_REGISTRIES = (
    "docker.io",
    "ghcr.io",
    "quay.io",
    "nvcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
)
_PATTERN = re.compile(r"[a-z0-9*?._:/@\[\]-]{1,255}", re.IGNORECASE)
#: Images that hold a plain Python.
_PLAIN = f"{LIBRARY}python"


@dataclass(frozen=True, slots=True)
class ContainerPolicy:
    """The owner's choices about containers; every default is the careful one.

    Raises
    ------
    ConfigError
        A choice that can't be kept, named.
    """

    #: Whether jobs that need no more than a Python run natively even where there is an engine.
    prefer_native: bool = False
    #: Image of jobs that name none; empty is the official Python of this one's version.
    default_image: str = ""
    #: Whether images are pulled that are not here.
    pull: bool = True
    #: Registries images may be pulled from, as patterns of host names.
    registries: tuple[str, ...] = PUBLIC_REGISTRIES
    #: Registries images may not be pulled from, whatever the list above says.
    denied_registries: tuple[str, ...] = ()
    #: Images of the owner's that jobs may use, as patterns; others here are not shown to jobs.
    #: Not all official names: `docker build -t payroll .` makes a docker.io/library/payroll.
    own_images: tuple[str, ...] = (_PLAIN,)
    #: Largest image that is pulled, in bytes.
    max_image_bytes: int = 16 * GIB
    #: Bytes on disk for the images pulled for jobs, all together.
    image_budget_bytes: int = 64 * GIB
    #: Whether a stopped virtual machine of Lima's may be started.
    start_lima: bool = False

    def __post_init__(self) -> None:
        for name in ("registries", "denied_registries", "own_images"):
            for pattern in getattr(self, name):
                if not _PATTERN.fullmatch(pattern):
                    raise ConfigError(f"{name}: {pattern!a} is no pattern; write e.g. ghcr.io.")
        for name in ("max_image_bytes", "image_budget_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: give a size of at least 1 byte.")
        if self.default_image:
            try:
                parse(self.default_image)
            except JobSpecError as error:
                raise ConfigError(f"default_{error}") from error

    def image(self, named: str) -> str:
        """Return the image of a job that names this one, or none."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return named or self.default_image or f"python:{version}-slim"

    def may_pull(self, reference: Reference) -> str:
        """Return why an image is not pulled, as a sentence; empty when it may be."""
        host = reference.registry
        if not self.pull:
            return f"image {reference} is not here, and pulling is off."
        if _is_among(host, self.denied_registries) or not _is_among(host, self.registries):
            return f"image {reference} is not here, and registry {host} is not allowed."
        return ""

    def may_use(self, reference: Reference) -> bool:
        """Whether jobs may use an image of the owner's by this name."""
        return _matches(reference.name, self.own_images)


def is_plain_python(image: str) -> bool:
    """Whether an image, or no image, means no more than a Python."""
    try:
        return not image or parse(image).name == _PLAIN
    except JobSpecError:
        return False


def _is_among(host: str, patterns: tuple[str, ...]) -> bool:
    return _matches(host_of_policy(host), tuple(map(host_of_policy, patterns)))


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(text.lower(), pattern.lower()) for pattern in patterns)
