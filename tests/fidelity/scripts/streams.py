import os
import sys

for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream, type(stream).__name__, stream.name, stream.mode, stream.encoding, stream.errors)
    print(stream.line_buffering, stream.write_through, stream.newlines, stream.isatty())
    print(type(stream.buffer).__name__, stream.buffer.raw, stream.buffer.raw.closefd)
    print(stream.fileno(), stream.buffer.name, stream.buffer.mode, stream.seekable())
print(sys.__stdin__ is sys.stdin, sys.__stdout__ is sys.stdout, sys.__stderr__ is sys.stderr)
print("\udcff \u20ac", os.get_inheritable(1))
print("\udcff \u20ac", file=sys.stderr)
