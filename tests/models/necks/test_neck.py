from amd_mm.models import necks
from amd_mm.models.necks import Neck


def test_necks_say_what_they_read():
    found = {name: getattr(necks, name).reads for name in necks.__all__
             if issubclass(getattr(necks, name), Neck) and name != 'Neck'}
    assert found == dict(AlignmentNeck='features', RelationNeck='relations')
