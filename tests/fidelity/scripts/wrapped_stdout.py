import contextlib
import io
import sys

with contextlib.redirect_stdout(io.StringIO()) as caught:
    print("caught")
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-16-le")
print(caught.getvalue())
