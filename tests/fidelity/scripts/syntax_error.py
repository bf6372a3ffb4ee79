def works():
    return 1


print("never"
works())
