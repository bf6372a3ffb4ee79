"""
>>> double(2)
4
>>> double(3)
7
"""
import doctest


def double(number):
    return number * 2


print(doctest.testmod())
