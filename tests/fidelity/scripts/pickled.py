import copy
import dataclasses
import inspect
import pickle
import typing


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: "float" = 0.5


class Tree(typing.NamedTuple):
    left: Point


def double(number: int) -> int:
    return number * 2


print(pickle.loads(pickle.dumps([Point(1), Tree(Point(2)), double])) == [Point(1), Tree(Point(2)), double])
print(copy.deepcopy(Point(3)), typing.get_type_hints(Point), double.__module__, Point)
print(inspect.getsource(double), inspect.getsource(Point), inspect.getmodule(double))
print(inspect.getsourcefile(Point), inspect.signature(double))
