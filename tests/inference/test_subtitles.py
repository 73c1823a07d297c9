from amd_mm.inference import Cue, write_srt, write_vtt

CUES = [Cue(0, 1.5, 0, .8), Cue(3599.9996, 3725.25, 1, .5)]


def title(cue: Cue) -> str:
    return ['rock & roll <live>', 'two\nlines'][cue.label]


def test_subrip(tmp_path):
    write_srt(tmp_path / 'a.srt', CUES, title)
    assert (tmp_path / 'a.srt').read_text() == (
        '1\n00:00:00,000 --> 00:00:01,500\nrock & roll <live>\n\n'
        '2\n01:00:00,000 --> 01:02:05,250\ntwo\\nlines\n\n')


def test_webvtt(tmp_path):
    write_vtt(tmp_path / 'a.vtt', CUES, title)
    assert (tmp_path / 'a.vtt').read_text() == (
        'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nrock &amp; roll &lt;live&gt;\n\n'
        '01:00:00.000 --> 01:02:05.250\ntwo\\nlines\n\n')
