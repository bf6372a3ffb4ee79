import fcntl, os, socket, struct
from node3nb.supervisor.kernel.calls import call
NEWNS=0x20000; NEWUTS=0x4000000; NEWIPC=0x8000000; NEWUSER=0x10000000; NEWPID=0x20000000; NEWNET=0x40000000; NEWCGROUP=0x2000000
def unshare(flags): call('unshare',flags)
def join(fd,flag): call('setns',fd,flag)
def map_user(uid_inside):
    u,g=os.getuid(),os.getgid()
    for p,t in (('setgroups','deny'),('uid_map',f'{uid_inside} {u} 1'),('gid_map',f'{uid_inside} {g} 1')):
        fd=os.open('/proc/self/'+p,os.O_WRONLY)
        try: os.write(fd,t.encode())
        finally: os.close(fd)
MAP=1
def raise_loopback():
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); fcntl.ioctl(s,0x8914,struct.pack('16sH14x',b'lo',0x41)); s.close()
def set_hostname(n): os.sethostname(n) if hasattr(os,'sethostname') else socket.sethostname(n)
def open_namespace(pid,kind): return os.open(f'/proc/{pid}/ns/{kind}',os.O_RDONLY|os.O_CLOEXEC)
