before = 1
breakpoint()
print("after", before)
