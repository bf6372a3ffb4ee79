import sys
import weakref

from parts.fine import Held


class Named(Held):
    def __del__(self):
        print("freed", self.name, sys is not None, type(self).__name__, len(kept))


class Lost:
    def __del__(self):
        raise ValueError("nobody hears")


kept = [Named("in a list")]
_private = Named("private")
first, second = Named("first"), Named("second")
cycle = Held("in a cycle")
cycle.itself = cycle
lost = Lost()
weakref.finalize(first, print, "finalizer of first")
plain = Held("plain")
file = open("file", "w")
file.write("flushed")
