import os
UIDS=range(61184,61184+256)
class Slot:
    uid=61184+os.getpid()%256
    def release(self): pass
def take():
    s=Slot(); s.uid=61184+os.getpid()%256; return s if os.geteuid()==0 else None
def own(paths,uid):
    for p in paths:
        os.chown(p,uid,uid)
        for r,ds,fs in os.walk(p):
            for n in ds+fs: os.lchown(os.path.join(r,n),uid,uid)
