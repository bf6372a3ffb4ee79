import hashlib
import hmac
import ssl
import urllib.request

print(ssl.OPENSSL_VERSION, ssl.create_default_context().verify_mode, len(ssl.RAND_bytes(8)))
print(hashlib.sha256(b"x").hexdigest(), hmac.digest(b"k", b"m", "sha1").hex())
try:
    urllib.request.urlopen("https://127.0.0.1:1/")
except OSError as error:
    print(type(error).__name__, error)
