"""A docstring."""
import sys

answer: int = 42
print(__name__, __doc__, __spec__, __package__, __cached__, sys.modules["__main__"].answer)
print(__file__, type(__loader__).__name__, __loader__.name, __loader__.path)
print(list(globals()), __annotations__, __builtins__)
print([name for name in sys.modules if "node3nb" in name])
