import re
import sys
import unittest


class TestIt(unittest.TestCase):
    def test_well(self):
        self.assertEqual(1, 1)

    def test_ill(self):
        self.assertEqual(1, 2)


class Stream:
    def write(self, text):
        sys.stderr.write(re.sub(r"in .*s$", "", text))

    def flush(self):
        pass


unittest.main(testRunner=unittest.TextTestRunner(stream=Stream()))
