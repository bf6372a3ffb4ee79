import logging
import logging.handlers

logging.warning("to the last resort")
logging.basicConfig(format="%(name)s %(funcName)s %(module)s %(processName)s %(threadName)s %(message)s")
memory = logging.handlers.MemoryHandler(100, target=logging.StreamHandler(), flushLevel=99)
logging.getLogger("held").addHandler(memory)
logging.getLogger("held").error("until the end")
logging.getLogger("stack").error("where", stacklevel=3)
