"""Variables on their way between a notebook and a job, as files nobody has to trust."""
