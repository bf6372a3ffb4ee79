import warnings

from parts.fine import warn


def through(level):
    warn(level)


for level in range(1, 6):
    through(level)
for level in range(1, 5):
    warnings.warn(f"at the module {level}", stacklevel=level)
warnings.warn("old", DeprecationWarning)
print(warnings.filters, 1 is 1)
open("forgotten", "w")
