import multiprocessing
import multiprocessing.pool
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import shared_memory


class Number:
    def __init__(self, value):
        self.value = value


def double(number):
    return Number(number.value * 2)


def main():
    print(multiprocessing.current_process(), multiprocessing.parent_process())
    with multiprocessing.Pool(2) as pool:
        print([each.value for each in pool.map(double, map(Number, range(5)))])
    with ProcessPoolExecutor(1) as pool:
        print(pool.submit(double, Number(21)).result().value, pool.submit(os.getppid).result() > 1)
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        child = multiprocessing.Process(target=shared.update, kwargs={"b": 2})
        child.start()
        child.join()
        print(sorted(shared.items()), child.exitcode)
    failing = multiprocessing.Process(target=sys.exit, args=(3,))
    failing.start()
    failing.join()
    print(failing.exitcode)
    block = shared_memory.SharedMemory(create=True, size=10)
    block.buf[:3] = b"abc"
    other = shared_memory.SharedMemory(block.name)
    print(bytes(other.buf[:3]))
    del other
    block.close()
    block.unlink()
    queue = multiprocessing.Queue()
    queue.put(__name__)
    print(queue.get())


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    main()
else:
    print("imported as", __name__, file=sys.stderr) if False else None
