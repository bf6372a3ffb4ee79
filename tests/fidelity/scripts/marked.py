print("€")
raise ValueError("€")
