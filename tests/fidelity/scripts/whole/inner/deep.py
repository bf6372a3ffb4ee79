where = __name__
if where == "__main__":
    print("run alone", __package__, __spec__.name)
