print("before")
import parts.broken
