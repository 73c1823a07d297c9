from mmengine.config import Config
from runs import toy_config

from amd_mm.engine import train


def test_a_config_in_its_own_work_dir_is_not_written_over(tmp_path, capsys):
    cfg = toy_config(tmp_path / 'out', max_epochs=1)
    path = tmp_path / 'out/config.py'
    path.write_text(f'# Short.\n{cfg.pretty_text}')
    before = path.read_text()
    cfg = Config.fromfile(path)
    train(cfg, notes=['a note'])
    assert path.read_text() == before
    assert Config.fromfile(tmp_path / 'out/config_resolved.py').train_cfg.max_epochs == 1
    assert (tmp_path / 'out/epoch_1.pth').is_file()
    assert 'changed   a note' in capsys.readouterr().out
