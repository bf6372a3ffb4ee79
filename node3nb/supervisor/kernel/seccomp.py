import sys
from dataclasses import dataclass
@dataclass(frozen=True)
class Policy:
    unix_sockets: bool; internet: bool; memfd: bool; system_v: bool
sys.path.append('/work/shared/sandbox-proto')
import sbxlib
sys.path.pop()
def program(p): return sbxlib.seccomp_prog(not p.unix_sockets,not p.internet,not p.memfd)
def install(b): sbxlib.seccomp_install(b)
def available(): return True
