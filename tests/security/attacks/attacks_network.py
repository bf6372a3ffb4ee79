"""Attacks by sockets: on services of the host, and on the kernel's stranger families."""

import ctypes
import os
import socket

from attempt import TARGETS, Stopped, attack, main, system_call

#: Seconds a connection may take.
PATIENCE_S = 2
#: From linux/socket.h, for systems whose Python lacks them.
AF_ALG, AF_VSOCK, AF_PACKET = 38, 40, 17
#: From linux/netlink.h.
NETLINK_NETFILTER = 12
#: From linux/fcntl.h and asm-generic/fcntl.h.
O_RDONLY = 0
MESSAGE_BYTES = 8192


def _greet(name: str, family: int, kind: int, address: object, flags: int = 0) -> None:
    """Send the token of the attack to an address of the host."""
    with socket.socket(family, kind) as sock:
        sock.settimeout(None if flags else PATIENCE_S)
        token = f"{TARGETS['token']}:{name};".encode()
        if flags or kind == socket.SOCK_DGRAM:
            sock.sendto(token, flags, address)
        else:
            sock.connect(address)
            sock.sendall(token)


@attack
def tcp_to_host() -> None:
    """A TCP service that listens on the host's loopback."""
    address = ("127.0.0.1", TARGETS["tcp"])
    _greet("tcp_to_host", socket.AF_INET, socket.SOCK_STREAM, address)


@attack
def fast_open_to_host() -> None:
    """The TCP service again, without connect(2)."""
    address = ("127.0.0.1", TARGETS["tcp"])
    kind = socket.SOCK_STREAM
    _greet("fast_open_to_host", socket.AF_INET, kind, address, socket.MSG_FASTOPEN)


@attack
def udp_to_host() -> None:
    """A UDP service that listens on the host's loopback."""
    address = ("127.0.0.1", TARGETS["udp"])
    _greet("udp_to_host", socket.AF_INET, socket.SOCK_DGRAM, address)


@attack
def unix_path() -> None:
    """A service behind a path, as a container engine's or a desktop's."""
    _greet("unix_path", socket.AF_UNIX, socket.SOCK_STREAM, TARGETS["unix"])


@attack
def unix_abstract() -> None:
    """A service behind an abstract name, which no file system guards."""
    name = "\0" + TARGETS["abstract"]
    _greet("unix_abstract", socket.AF_UNIX, socket.SOCK_STREAM, name)


@attack
def unix_by_pair() -> None:
    """A datagram to a path from a pair of sockets, which needs no socket(2)."""
    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.sendto(f"{TARGETS['token']}:unix_by_pair;".encode(), TARGETS["datagram"])


@attack
def virtual_machine_socket() -> None:
    """A socket to the hypervisor."""
    socket.socket(AF_VSOCK, socket.SOCK_STREAM).close()


@attack
def crypto_socket() -> None:
    """A socket to the kernel's cryptography."""
    socket.socket(AF_ALG, socket.SOCK_SEQPACKET).close()


@attack
def netfilter_socket() -> None:
    """A socket to the kernel's packet filter."""
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER).close()


@attack
def packet_socket() -> None:
    """A socket that reads every packet of the host."""
    socket.socket(AF_PACKET, socket.SOCK_RAW).close()
    if not _sees_host():
        raise Stopped("there is no network but the job's own")


def _sees_host() -> bool:
    """Return whether the network here is the one the host's services listen on."""
    with socket.socket() as sock:
        sock.settimeout(PATIENCE_S)
        return not sock.connect_ex(("127.0.0.1", TARGETS["tcp"]))


@attack
def system_v_memory() -> str:
    """Shared memory of System V that belongs to the owner."""
    area = system_call("shmget", TARGETS["system_v_key"], 0, 0)
    return ctypes.string_at(system_call("shmat", area, 0, 0)).decode()


@attack
def posix_queue() -> str:
    """A POSIX message queue that belongs to the owner."""
    queue = system_call("mq_open", TARGETS["queue"].encode(), O_RDONLY | os.O_NONBLOCK, 0, 0)
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    size = system_call("mq_timedreceive", queue, message, MESSAGE_BYTES, 0, 0)
    return message.raw[:size].decode()


if __name__ == "__main__":
    main()
