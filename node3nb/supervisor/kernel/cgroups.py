class Group: pass
class Groups: pass
def find(): return "shim"
