import os
import tempfile

print(tempfile.gettempdir(), tempfile.gettempprefix())
with tempfile.NamedTemporaryFile() as file:
    print(os.path.dirname(file.name), os.path.exists(file.name))
kept = tempfile.TemporaryDirectory()
print(os.listdir(tempfile.gettempdir()) == [os.path.basename(kept.name)])
