"""The machine's GPU in the words of the protocol, as found or as the owner says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from node3nb import hardware
from node3nb.agent.polling import GPU_FIELDS
from node3nb.errors import ConfigError
from node3nb.hardware import Gpu
from node3nb.marketplace.wire.protocol import AvailableQuery, first_complaint


def described(gpus: tuple[Gpu, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a GPU: the owner's word counts, what is missing is found out.

    Raises
    ------
    ConfigError
        A field is not as the protocol has it; the message names it.
    """
    gpu = hardware.gpu_info(gpus) | dict(given)
    try:
        AvailableQuery(**{name: gpu[name] for name in GPU_FIELDS})
    except ValidationError as error:
        raise ConfigError(f"gpu_info.{first_complaint(error)}") from None
    return gpu
