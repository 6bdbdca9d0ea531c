"""Jobs that take long to import."""

import time

time.sleep(2)
