import logging

logging.error("%d", "not a number")
