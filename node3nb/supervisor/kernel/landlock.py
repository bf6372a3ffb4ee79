import ctypes, os, stat, struct
from node3nb.supervisor.kernel.calls import call, libc
def abi():
    try: return call('landlock_create_ruleset',ctypes.c_void_p(None),0,1)
    except OSError: return 0
N='EXECUTE WRITE_FILE READ_FILE READ_DIR REMOVE_DIR REMOVE_FILE MAKE_CHAR MAKE_DIR MAKE_REG MAKE_SOCK MAKE_FIFO MAKE_BLOCK MAKE_SYM REFER TRUNCATE IOCTL_DEV RESOLVE_UNIX'.split()
FS={n:1<<i for i,n in enumerate(N)}
R=FS['READ_FILE']|FS['READ_DIR']; X=R|FS['EXECUTE']
W=X|FS['WRITE_FILE']|FS['REMOVE_DIR']|FS['REMOVE_FILE']|FS['MAKE_DIR']|FS['MAKE_REG']|FS['MAKE_SOCK']|FS['MAKE_FIFO']|FS['MAKE_SYM']|FS['REFER']|FS['TRUNCATE']|FS.get('RESOLVE_UNIX',0)
FILE=FS['EXECUTE']|FS['WRITE_FILE']|FS['READ_FILE']|FS['TRUNCATE']|FS['IOCTL_DEV']
class Ruleset:
    def __init__(self,*,deny_network):
        a=abi(); n={1:13,2:14,3:15,4:15}.get(a,17 if a>=9 else 16); self.h=(1<<n)-1
        self.fd=call('landlock_create_ruleset',ctypes.c_char_p(struct.pack('QQQ',self.h,3 if deny_network else 0,3)),24,0)
    def _add(self,p,m):
        try: f=os.open(p,os.O_PATH|os.O_CLOEXEC)
        except FileNotFoundError: return
        if not stat.S_ISDIR(os.fstat(f).st_mode): m&=FILE
        call('landlock_add_rule',self.fd,1,ctypes.c_char_p(struct.pack('=Qi',m&self.h,f)),0); os.close(f)
    def allow_reading(self,p): self._add(p,R)
    def allow_executing(self,p): self._add(p,X)
    def allow_writing(self,p): self._add(p,W)
    def allow_listing(self,p): self._add(p,FS['READ_DIR'])
    def allow_device(self,p): self._add(p,FS['READ_FILE']|FS['WRITE_FILE']|FS['IOCTL_DEV'])
    def enforce(self): call('landlock_restrict_self',self.fd,0); self.close()
    def close(self): os.close(self.fd)
