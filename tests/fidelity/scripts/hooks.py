import sys
import traceback


def show(kind, error, trace):
    print(kind, error, [frame.name for frame in traceback.extract_tb(trace)], sys.exc_info())
    print(sys.last_type, sys.last_value)
    if sys.argv[1] == "fails":
        raise OSError("the hook fails")
    if sys.argv[1] == "exits":
        sys.exit(9)


sys.excepthook = None if sys.argv[1] == "none" else show
1 / 0
