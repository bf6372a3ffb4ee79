import sys


class Unprintable:
    def __str__(self):
        raise ValueError


sys.exit(eval(sys.argv[1]))
