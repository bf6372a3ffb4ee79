"""The jobs in `test_jobs/`: read them, submit them, make their inputs, check their results.

A sample job is a directory with a `job.json` and its scripts; `test_jobs/README.md` tells
how to write one.
"""

from node3nb.sample_jobs.checking import check
from node3nb.sample_jobs.described import Expected, ExpectedOutput, Recipe
from node3nb.sample_jobs.loading import SampleJob, load, load_job

__all__ = ["Expected", "ExpectedOutput", "Recipe", "SampleJob", "check", "load", "load_job"]
