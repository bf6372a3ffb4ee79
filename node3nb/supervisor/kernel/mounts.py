import ctypes, os, struct, errno
from node3nb.supervisor.kernel.calls import call, libc
libc.mount.argtypes=[ctypes.c_char_p]*3+[ctypes.c_ulong,ctypes.c_char_p]
def _ck(r,w):
    if r: e=ctypes.get_errno(); raise OSError(e,os.strerror(e),w)
def _m(s,t,f,fl,d):
    b=lambda x:x.encode() if x else None
    _ck(libc.mount(b(s),b(t),b(f),fl,b(d)),f'mount {t}')
def stop_propagation(): _m('none','/',None,16384|1<<19,None)
def mount_tmpfs(target,*,mode,bytes,inodes,exec=True): _m('tmpfs',target,'tmpfs',2|4|(0 if exec else 8),f'mode={mode:o},size={bytes},nr_inodes={inodes}')
def resize_tmpfs(target,*,bytes,inodes): _m('tmpfs',target,'tmpfs',32|2|4|8,f'size={bytes},nr_inodes={inodes}')
def mount_proc(target): _m('proc',target,'proc',2|4|8,None)
def _attr(p,a,rec): call('mount_setattr',-100,ctypes.c_char_p(p.encode()),0x8000 if rec else 0,ctypes.c_char_p(struct.pack('QQQQ',a,0,0,0)),32)
def bind(source,target,*,writable,devices=False,executable=True):
    _m(source,target,None,4096|16384,None); _attr(target,2|(0 if writable else 1)|(0 if devices else 4)|(0 if executable else 8),True)
def make_read_only(t): _attr(t,1,False)
def detach(t): _ck(libc.umount2(t.encode(),2),f'umount {t}')
def pivot(n):
    os.chdir(n); call('pivot_root',ctypes.c_char_p(b'.'),ctypes.c_char_p(b'.')); detach('.'); os.chdir('/')
