import datetime
import time

print(time.tzname, time.timezone, time.altzone, time.daylight)
print(time.localtime(1_700_000_000), time.strftime("%Z %z", time.localtime(1_720_000_000)))
print(datetime.datetime.fromtimestamp(1_720_000_000).astimezone().isoformat())
