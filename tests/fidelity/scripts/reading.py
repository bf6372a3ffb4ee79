import sys

print(repr(sys.stdin.readline()), repr(input("prompt> ")), repr(sys.stdin.read()))
print(input())
