def fail(number):
    raise ValueError(number)


def failures():
    for number in range(3):
        try:
            fail(number)
        except ValueError as error:
            yield error


raise ExceptionGroup("three", [*failures(), ExceptionGroup("nested", [OSError(2, "gone")])])
