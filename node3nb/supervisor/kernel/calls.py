"""System calls by name."""
import ctypes, os
NUMBERS={"x86_64":dict(pivot_root=155,unshare=272,setns=308,mount_setattr=442,seccomp=317,landlock_create_ruleset=444,landlock_add_rule=445,landlock_restrict_self=446),"aarch64":dict(pivot_root=41,unshare=97,setns=268,mount_setattr=442,seccomp=277,landlock_create_ruleset=444,landlock_add_rule=445,landlock_restrict_self=446)}[os.uname().machine]
libc=ctypes.CDLL(None,use_errno=True); libc.syscall.restype=ctypes.c_long
def call(name,*args):
    r=libc.syscall(ctypes.c_long(NUMBERS[name]),*[ctypes.c_long(a) if isinstance(a,int) else a for a in args])
    if r==-1:
        e=ctypes.get_errno(); raise OSError(e,os.strerror(e),name)
    return r
