import pickle
import threading
import warnings

import numpy as np

matrix = np.arange(9.0).reshape(3, 3) + np.eye(3)
print(np.linalg.inv(matrix), (matrix @ matrix).sum(), np.__version__)
print(pickle.loads(pickle.dumps(matrix)).tolist(), np.geterr(), np.get_printoptions())
results = []
threads = [threading.Thread(target=lambda: results.append(np.linalg.det(matrix))) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(results), np.float64(1) / 0, np.random.default_rng(7).random(), np.random.RandomState(7).rand())
np.random.seed(1)
print(np.random.rand(), warnings.filters)
np.zeros(3).reshape(2, 2)
