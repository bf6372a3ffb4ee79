import inspect
import sys
import traceback

print(len(inspect.stack()), sys._getframe().f_back)
traceback.print_stack()
