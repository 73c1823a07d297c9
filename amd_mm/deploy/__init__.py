"""Students where they run: files for other runtimes, checked, quantised and timed."""
from amd_mm.deploy.export import Trial, export
from amd_mm.deploy.metadata import Form, read_metadata
from amd_mm.deploy.model import Model, open_model
from amd_mm.deploy.sources import Wish, labelled_files, read_subject, some_files
from amd_mm.deploy.subject import Subject

__all__ = [
    'Form', 'Model', 'Subject', 'Trial', 'Wish', 'export', 'labelled_files', 'open_model',
    'read_metadata', 'read_subject', 'some_files'
]
