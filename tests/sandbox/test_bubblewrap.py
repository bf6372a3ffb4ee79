"""The command for bubblewrap, run by bubblewrap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import MIB, linux_only
from support.short_lived import LIFE_S

from node3nb.supervisor.sandbox import bubblewrap, plan
from node3nb.supervisor.sandbox.bubblewrap import Places

pytestmark = linux_only

#: Tells what a job sees of its sandbox.
LOOK = """
import json, os, socket, sys
def written(path):
    try:
        with open(path + "/made", "w"):
            return True
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
shm = os.statvfs("/dev/shm")
with open("/input/data") as file:
    data = file.read()
json.dump({
    "argv": sys.argv[1:],
    "data": data,
    "cwd": os.getcwd(),
    "uid": os.getuid(),
    "host": socket.gethostname(),
    "capabilities": [status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "home": os.path.exists("/root/.ssh") or os.path.exists("/home"),
    "shm": shm.f_frsize * shm.f_blocks,
    "written": [
        path
        for path in ("/", "/dev", "/input", "/output", "/job", "/tmp", "/dev/shm", "/usr", "/etc")
        if written(path)
    ],
}, sys.stdout)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = [tmp_path / name for name in ("input", "output", "work", "tmp")]
    for path in made:
        path.mkdir()
    (made[0] / "data").write_text("given")
    return Places(*map(str, made))


def run(command: tuple[str, ...], **options: object) -> subprocess.CompletedProcess[str]:
    needs.program(bubblewrap.PROGRAM)
    return subprocess.run(  # type: ignore[call-overload]
        command, check=False, capture_output=True, text=True, timeout=LIFE_S, **options
    )


@pytest.fixture
def shown() -> plan.Plan:
    """What a job with this Python sees."""
    return plan.make(sys.executable, (sys.prefix, sys.base_prefix))


def test_what_a_job_sees(places: Places, shown: plan.Plan) -> None:
    argv = (shown.python, "-I", "-S", "-c", LOOK, "one", "two words")
    ran = run(bubblewrap.command(shown, places, argv, shm_bytes=16 * MIB))
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert (seen["argv"], seen["data"]) == (["one", "two words"], "given")
    assert (seen["cwd"], seen["uid"], seen["host"]) == ("/job", 1000, "job")
    assert {int(held, 16) for held in seen["capabilities"]} == {0}
    assert seen["processes"] == 2
    assert seen["interfaces"] == ["lo"]
    assert not seen["home"]
    assert seen["shm"] == 16 * MIB
    assert seen["written"] == ["/output", "/job", "/tmp", "/dev/shm"]
    assert os.path.exists(f"{places.output}/made")


def test_network_of_the_host(places: Places, shown: plan.Plan) -> None:
    look = "import socket; print(*[name for _, name in socket.if_nameindex()])"
    argv = (shown.python, "-I", "-S", "-c", look)
    here = subprocess.run([sys.executable, *argv[1:]], capture_output=True, check=True, text=True)
    ran = run(bubblewrap.command(shown, places, argv, shm_bytes=MIB, host_network=True))
    assert ran.stdout == here.stdout


def test_files_of_its_own(places: Places, shown: plan.Plan) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"job:x:1000:1000::/job:/bin/sh\n")
    os.close(writer)
    look = "import getpass; print(getpass.getuser()); open('/etc/passwd', 'a')"
    argv = (shown.python, "-I", "-S", "-c", look)
    command = bubblewrap.command(
        shown, places, argv, shm_bytes=MIB, texts=((reader, "/etc/passwd"),)
    )
    ran = run(command, pass_fds=(reader,), env={})
    os.close(reader)
    assert ran.stdout == "job\n"
    assert "Read-only file system" in ran.stderr or "Permission denied" in ran.stderr


@pytest.mark.parametrize("given", [True, False])
def test_device(places: Places, shown: plan.Plan, *, given: bool) -> None:
    device = "/dev/fuse"
    if not os.path.exists(device):
        pytest.skip(f"there is no {device}")
    look = f"import os, stat; print(stat.S_ISCHR(os.stat('{device}').st_mode))"
    argv = (shown.python, "-I", "-S", "-c", look)
    devices = (device,) if given else ()
    ran = run(bubblewrap.command(shown, places, argv, shm_bytes=MIB, devices=devices))
    assert (ran.stdout == "True\n") == given, ran.stderr
    assert ("FileNotFoundError" in ran.stderr) != given


def test_descriptors_are_passed_on(places: Places, shown: plan.Plan) -> None:
    reader, writer = os.pipe()
    argv = (shown.python, "-I", "-S", "-c", f"import os; os.write({writer}, b'ready')")
    ran = run(bubblewrap.command(shown, places, argv, shm_bytes=MIB), pass_fds=(writer,))
    os.close(writer)
    with open(reader, "rb") as said:
        assert (ran.returncode, said.read()) == (0, b"ready")


def test_exit_code_is_the_jobs(places: Places, shown: plan.Plan) -> None:
    argv = (shown.python, "-I", "-S", "-c", "raise SystemExit(7)")
    assert run(bubblewrap.command(shown, places, argv, shm_bytes=MIB)).returncode == 7


def test_ends_with_who_started_it(places: Places, shown: plan.Plan) -> None:
    """The sandbox's end of a pipe closes when the process above bubblewrap is killed."""
    needs.program(bubblewrap.PROGRAM)
    reader, writer = os.pipe()
    sleep = f"import os, time; os.write({writer}, b'x'); time.sleep({LIFE_S})"
    argv = (shown.python, "-I", "-S", "-c", sleep)
    command = bubblewrap.command(shown, places, argv, shm_bytes=MIB)
    start = "import subprocess, sys; subprocess.run(sys.argv[1:], close_fds=False)"
    above = subprocess.Popen([sys.executable, "-c", start, *command], pass_fds=(writer,))
    os.close(writer)
    try:
        assert os.read(reader, 1) == b"x"
    finally:
        above.kill()
        above.wait()
    assert os.read(reader, 1) == b""
    os.close(reader)
