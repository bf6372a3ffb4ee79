text = """a
b"""
print(repr(text))
raise ValueError
