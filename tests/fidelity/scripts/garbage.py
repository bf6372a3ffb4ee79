import gc

print(gc.isenabled(), gc.get_threshold(), gc.callbacks, gc.garbage, gc.get_debug())
gc.callbacks.append(lambda phase, info: print(phase, info["generation"]))
cycle = []
cycle.append(cycle)
del cycle
print(gc.collect(0) > 0)
gc.callbacks.clear()
