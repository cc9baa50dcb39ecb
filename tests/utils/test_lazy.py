import pytest

from lib import tasks
from lib.utils.lazy import lazy_names


def test_a_lazy_name_is_the_one_of_its_module_and_others_are_missing():
    from lib.tasks import build

    assert tasks.build_task is build.build_task
    assert all(hasattr(tasks, name) for name in tasks.__all__)
    with pytest.raises(AttributeError, match=r"'lib\.tasks' has no attribute 'buildtask'"):
        tasks.buildtask  # noqa: B018


def test_a_module_of_the_same_name_is_refused():
    with pytest.raises(ValueError, match="hides the name"):
        lazy_names("lib.models", {"complexity": "lib.models.complexity"})
