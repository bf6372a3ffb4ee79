import os
import sys

print(sys.argv[1:], os.path.basename(sys.argv[0]), sys.orig_argv[2:])
print(sys.path, sys.executable, sys.prefix, sys.base_prefix)
