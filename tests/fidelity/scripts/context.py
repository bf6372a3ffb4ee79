import contextvars
import functools

variable = contextvars.ContextVar("variable", default=0)
print(dict(contextvars.copy_context()), variable.get())


@functools.cache
def cached():
    return variable.set(1).old_value is contextvars.Token.MISSING


print(cached(), cached.cache_info())


class Meta(type):
    def __del__(cls):
        print("class freed", cls.__name__)


class Freed(metaclass=Meta):
    pass


def generate():
    try:
        yield 1
    finally:
        print("generator closed")


running = generate()
next(running)
