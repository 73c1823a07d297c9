"""Actions of people in videos: said, and kept as lines of JSON."""
import json
from pathlib import Path

from amd_mm.datasets.files import printable
from amd_mm.export.writing import replacing
from amd_mm.inference.action_detector import ActionDetector, Moment
from amd_mm.inference.people import People
from amd_mm.inference.predictor import OwnNames


class ActionPredictor:
    """Detects actions, says them and keeps them.

    Args:
        detector: The model.
        people: Tells where people are.
        stride: Seconds from key frame to key frame.
        top_k: How many of the best actions of a person to name, at least 1.
        out: Folder for ``NAME.jsonl``, a line a key frame, whole or not there; a video whose file
            is there is not done again. None writes nothing.

    Attributes:
        results: Always empty: what is found is in the files.
    """

    def __init__(self, detector: ActionDetector, people: People, stride: float = 1.,
                 top_k: int = 5, out: Path | None = None) -> None:
        self.detector, self.people, self.stride = detector, people, stride
        self.top_k, self.out = top_k, out
        self.results: list[dict] = []
        self._names = OwnNames()

    def one(self, path: Path) -> None:
        """A video."""
        file = None if self.out is None else self.out / f'{self._names(path.stem)}.jsonl'
        print(printable(path))
        if file is None:
            for moment in self.detector.moments(path, self.people, self.stride):
                self._say(moment)
        elif file.exists():
            print(f'  is in {file} already')
        else:
            with replacing(file) as temporary, temporary.open('w', encoding='utf-8') as lines:
                for moment in self.detector.moments(path, self.people, self.stride):
                    self._say(moment)
                    lines.write(json.dumps(
                        dict(input=printable(path), time=round(moment.time, 6),
                             people=self.described(moment)), ensure_ascii=False) + '\n')

    def described(self, moment: Moment) -> list[dict]:
        """The people of a key frame with what they do, as JSON."""
        people = []
        for person, scores in zip(moment.people, moment.scores, strict=True):
            # Class 0 is the background.
            best = scores[1:].topk(min(self.top_k, len(scores) - 1))
            people.append(dict(
                box=person.box, score=person.score, track=person.track, actions=[
                    dict(label=label + 1, name=self.detector.names.get(label + 1), score=score)
                    for label, score in zip(
                        best.indices.tolist(), best.values.tolist(), strict=True)]))
        return people

    def _say(self, moment: Moment) -> None:
        for person in self.described(moment):
            action = person['actions'][0]
            name = action['name'] or f'class {action["label"]}'
            who = f'track {person["track"]}' if person['track'] else (
                ', '.join(f'{edge:.2f}' for edge in person['box']))
            print(f'  {moment.time:8.2f} s  {action["score"]:.3f}  {name}  ({who})', flush=True)
