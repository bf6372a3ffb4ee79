import cProfile
import pstats
import sys
import trace


def work():
    return sum(range(10))


profile = cProfile.Profile()
profile.runcall(work)
print(sorted(name for _, _, name in pstats.Stats(profile).stats))
sys.settrace(lambda frame, event, argument: print(event, frame.f_code.co_name))
work()
sys.settrace(None)
trace.Trace(count=False, trace=True).runfunc(work)
