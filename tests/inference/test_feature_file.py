import json
import zipfile

import numpy as np
import pytest

from amd_mm.inference import FeatureFile, read_features

PATHS = ['a.png', 'b ü.png', 'c.png', 'd.png']
FEATURES = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
SETTINGS = dict(layer=2, pool='none')


def write(path, **changes) -> FeatureFile:
    return FeatureFile(path, **{**dict(paths=PATHS, shape=(3, 2), settings=SETTINGS), **changes})


@pytest.mark.parametrize('ending', ['.npz', '.safetensors'])
def test_interrupted_equals_uninterrupted_to_the_byte(tmp_path, ending):
    whole, parts = tmp_path / f'whole{ending}', tmp_path / f'parts{ending}'
    file = write(whole)
    file.add([FEATURES[0], None, *FEATURES[2:]])
    file.close()
    file = write(parts)
    file.add([FEATURES[0], None])
    del file
    file = write(parts)
    assert (file.done, file.failed) == (2, [1])
    file.add(list(FEATURES[2:]))
    file.close()
    assert parts.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [parts.name, whole.name]
    features, paths, settings = read_features(whole)
    assert np.array_equal(features, FEATURES[[0, 2, 3]]) and features.dtype == np.float32
    assert paths == ['a.png', 'c.png', 'd.png'] and settings == SETTINGS


def test_an_npz_holds_no_time_and_opens_with_numpy(tmp_path):
    file = write(tmp_path / 'x.npz')
    file.add(list(FEATURES))
    file.close()
    with zipfile.ZipFile(tmp_path / 'x.npz') as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(tmp_path / 'x.npz') as content:
        assert np.array_equal(content['features'], FEATURES)
        assert content['paths'].tolist() == PATHS
        assert json.loads(str(content['settings'])) == SETTINGS


def test_a_row_that_was_not_finished_is_written_again(tmp_path):
    file = write(tmp_path / 'x.npz')
    file.add(list(FEATURES[:2]))
    # As if the machine had stopped between the table and the note of progress.
    file._table[2] = 7
    file._table.flush()
    file = write(tmp_path / 'x.npz')
    file.add(list(FEATURES[2:]))
    file.close()
    assert np.array_equal(read_features(tmp_path / 'x.npz')[0], FEATURES)


def test_what_would_mix_or_replace_is_refused(tmp_path):
    with pytest.raises(ValueError, match='must end in .npz or .safetensors'):
        write(tmp_path / 'x.npy')
    file = write(tmp_path / 'x.npz')
    file.add(list(FEATURES[:1]))
    for other in (dict(settings=dict(SETTINGS, layer=1)), dict(paths=PATHS[::-1])):
        with pytest.raises(ValueError, match='x.npz.partial: must be of the same checkpoint'):
            write(tmp_path / 'x.npz', **other)
    (tmp_path / 'there.npz').touch()
    with pytest.raises(ValueError, match='there.npz: must not exist'):
        write(tmp_path / 'there.npz')
    assert write(tmp_path / 'there.npz', force=True).done == 0
