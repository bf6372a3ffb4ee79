"""Options that say what containers may do."""

from __future__ import annotations

import argparse

from node3nb.containers.policy import PUBLIC_REGISTRIES, ContainerPolicy
from node3nb.sizes import parse_bytes


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add the owner's choices about containers and images."""
    usual = ContainerPolicy()
    group = parser.add_argument_group("containers")
    group.add_argument(
        "--prefer-native",
        action="store_true",
        help="run jobs natively that need no more than a Python, also where there is an engine",
    )
    group.add_argument(
        "--image", default="", metavar="IMAGE", help="image of jobs that name none; Python's own"
    )
    group.add_argument("--no-pull", action="store_true", help="use only images that are here")
    group.add_argument(
        "--registry",
        action="append",
        metavar="HOST",
        help=f"pull from here only, may be repeated; {', '.join(PUBLIC_REGISTRIES)}",
    )
    group.add_argument(
        "--deny-registry", action="append", default=[], metavar="HOST", help="never pull from here"
    )
    group.add_argument(
        "--own-image",
        action="append",
        default=[],
        metavar="PATTERN",
        help="images of yours that jobs may use, as docker.io/me/*",
    )
    group.add_argument(
        "--max-image",
        type=parse_bytes,
        default=usual.max_image_bytes,
        metavar="SIZE",
        help="largest image that is pulled; 16G",
    )
    group.add_argument(
        "--image-budget",
        type=parse_bytes,
        default=usual.image_budget_bytes,
        metavar="SIZE",
        help="disk for all images pulled for jobs; 64G",
    )
    group.add_argument(
        "--start-lima", action="store_true", help="start a stopped virtual machine of Lima's"
    )


def policy(args: argparse.Namespace) -> ContainerPolicy:
    """Return the choices that the options say."""
    usual = ContainerPolicy()
    return ContainerPolicy(
        prefer_native=args.prefer_native,
        default_image=args.image,
        pull=not args.no_pull,
        registries=tuple(args.registry or usual.registries),
        denied_registries=tuple(args.deny_registry),
        own_images=(*usual.own_images, *args.own_image),
        max_image_bytes=args.max_image,
        image_budget_bytes=args.image_budget,
        start_lima=args.start_lima,
    )
