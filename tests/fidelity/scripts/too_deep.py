def deeper(level):
    deeper(level + 1)


deeper(0)
