import gc
import sys
import weakref

gc.collect()
gc.disable()

from parts.fine import Held


class Named(Held):
    def __del__(self):
        print("freed", self.name, sys is not None, type(self).__name__, len(kept))


kept = [Named("in a list")]
_private = Named("private")
first, second = Named("first"), Named("second")
cycle = Held("in a cycle")
cycle.itself = cycle
weakref.finalize(first, print, "finalizer of first")
plain = Held("plain")
file = open("file", "w")
file.write("flushed")
