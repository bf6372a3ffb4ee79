import random
import secrets
import ssl
import tempfile
import uuid

print(random.random())
print(secrets.token_hex(8))
print(uuid.uuid4())
print(ssl.RAND_bytes(8))
print(next(tempfile._get_candidate_names()))
try:
    import multiprocessing

    import numpy

    print(numpy.random.random(), numpy.random.default_rng().random())
    print(bytes(multiprocessing.current_process().authkey))
except ImportError:
    pass
