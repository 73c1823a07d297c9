"""Where a file of an address is kept on this machine."""
import hashlib
import os
from pathlib import Path
from urllib.parse import urlparse


def downloaded(url: str, model_dir: str | None = None, progress: bool = False) -> Path:
    """Download a file once, by torch.hub's own downloader, into torch.hub's cache.

    Every address has a folder of its own: torch.hub goes by the last part alone, and hands
    out the ``pytorch_model.bin`` of one address for that of another.

    Args:
        url: http or https.
        model_dir: Folder of the cache; None: ``checkpoints`` of torch.hub's.
        progress: Whether a bar is drawn.

    Raises:
        OSError: If it cannot be had.
    """
    import torch
    cache = Path(model_dir or os.path.join(torch.hub.get_dir(), 'checkpoints'))
    folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
    name = os.path.basename(urlparse(url).path)
    path = folder / ('file' if name in ('', '.', '..') else name)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    return path
