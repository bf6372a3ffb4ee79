class Lost:
    def __del__(self):
        raise ValueError("nobody hears")


lost = Lost()
