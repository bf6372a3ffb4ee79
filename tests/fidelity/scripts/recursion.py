import sys


def depth(level):
    try:
        return depth(level + 1)
    except RecursionError as error:
        return str(error)


print(depth(0), sys.getrecursionlimit())
