import json


def outer():
    try:
        inner({})
    except KeyError as error:
        error.add_note("a note")
        raise ValueError("what inner did") from error


def inner(empty):
    try:
        json.loads("{")
    except ValueError:
        return empty["missing"]


outer()
