import builtins
import sys

for name in ("flags", "implementation", "thread_info", "hexversion", "dont_write_bytecode"):
    print(name, getattr(sys, name))
for name in ("warnoptions", "_xoptions", "meta_path", "path_hooks", "pycache_prefix", "platlibdir"):
    print(name, getattr(sys, name))
for name in ("getrecursionlimit", "getswitchinterval", "gettrace", "getprofile", "getdlopenflags"):
    print(name, getattr(sys, name)())
for name in ("displayhook", "excepthook", "breakpointhook", "unraisablehook"):
    print(name, getattr(sys, name), getattr(sys, name) is getattr(sys, f"__{name}__"))
print([name for name in ("last_type", "last_value", "last_traceback", "ps1") if hasattr(sys, name)])
print(sys.exc_info(), sorted(set(dir(builtins))), hasattr(builtins, "_"))
