import warnings

from . import __doc__ as described


class Held:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("freed", self.name, described)


def warn(level):
    warnings.warn(f"level {level}", stacklevel=level)


held = Held("of a sibling")
