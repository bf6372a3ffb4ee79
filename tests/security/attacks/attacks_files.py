"""Attacks on the owner's files, the job's input, and the files of other jobs."""

import os

from attempt import TARGETS, Stopped, attack, main


def _read(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()


def _write(path: str, mode: str = "w") -> None:
    with open(path, mode) as file:
        file.write(TARGETS["token"])


@attack
def read_home() -> str:
    """A private key in the owner's home."""
    return _read(TARGETS["home"] + "/.ssh/id_ed25519")


@attack
def list_home() -> str:
    """The names of the owner's files."""
    return " ".join(os.listdir(TARGETS["home"] + "/.ssh"))


@attack
def read_connection_file() -> str:
    """The file that lets its reader drive the notebook's kernel."""
    return _read(TARGETS["connection_file"])


@attack
def read_shadow() -> str:
    """The password hashes of the host."""
    return f"{len(_read('/etc/shadow'))} characters"


@attack
def read_host_tmp() -> str:
    """A file everybody may read in the host's /tmp."""
    return _read(TARGETS["host_tmp_file"])


@attack
def read_host_shm() -> str:
    """A file everybody may read in the host's /dev/shm."""
    return _read(TARGETS["host_shm_file"])


@attack
def open_disk() -> None:
    """The disk below all files."""
    with open("/proc/partitions") as partitions:
        names = [line.split()[3] for line in partitions if line[:1] == " "]
    disk = next(name for name in names if not name.startswith(("ram", "loop")))
    os.close(os.open(f"/dev/{disk}", os.O_RDONLY))


@attack
def read_through_proc() -> str:
    """The key again, through the root directory of a process of the owner's."""
    for pid in (TARGETS["victim"]["pid"], os.getppid(), 1):
        try:
            return _read(f"/proc/{pid}/root{TARGETS['home']}/.ssh/id_ed25519")
        except OSError as refused:
            barred = refused
    raise barred


@attack
def read_other_output() -> str:
    """What another running job has in its output directory."""
    return _read(TARGETS["other"]["output"] + "/secret")


@attack
def read_other_tmp() -> str:
    """What another running job has in its temporary directory."""
    for directory in (TARGETS["other"]["tmp"], "/tmp"):
        if os.path.exists(directory + "/secret"):
            return _read(directory + "/secret")
    raise Stopped("there is no such file")


@attack
def write_home() -> None:
    """A new file in the owner's home."""
    _write(TARGETS["home"] + "/planted")


@attack
def change_mode() -> None:
    """A key of the owner's, made readable to everybody."""
    os.chmod(TARGETS["home"] + "/.ssh/id_ed25519", 0o666)


@attack
def change_times() -> None:
    """The times of a key of the owner's."""
    os.utime(TARGETS["home"] + "/.ssh/id_ed25519", (0, 0))


@attack
def change_attributes() -> None:
    """The extended attributes of a key of the owner's."""
    os.setxattr(TARGETS["home"] + "/.ssh/id_ed25519", "user.n3", b"planted")


@attack
def guess_names() -> str:
    """Whether the owner has a file of that name, how large it is and when it was changed."""
    return f"{os.stat(TARGETS['home'] + '/.ssh/id_ed25519').st_size} bytes"


@attack
def write_startup_file() -> None:
    """A line in what the owner's shell runs when it starts."""
    _write(TARGETS["home"] + "/.bashrc", "a")


@attack
def write_host_tmp() -> None:
    """A new file in the host's /tmp."""
    _write(TARGETS["host_tmp_file"] + "-planted")


@attack
def write_host_shm() -> None:
    """A new file in the host's /dev/shm."""
    _write(TARGETS["host_shm_file"] + "-planted")


@attack
def write_site_packages() -> None:
    """A new module beside those the owner's Python imports."""
    _write(TARGETS["site_packages"])


@attack
def write_other_output() -> None:
    """A new file in another running job's output directory."""
    _write(TARGETS["other"]["output"] + "/planted")


@attack
def write_input() -> None:
    """Other data in the place of the job's own input."""
    _write(os.environ["INPUT_DIR"] + "/data.txt")


@attack
def write_log() -> None:
    """A file where the supervisor keeps what the job has printed."""
    _write(TARGETS["log"] + "/planted")


if __name__ == "__main__":
    main()
