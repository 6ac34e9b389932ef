"""Every refusal of this package: one sentence that says what, where, and what to type next."""


class ClassifierError(Exception):
    """Base of everything the classifier refuses."""


class ArtifactMissing(ClassifierError):
    """There is no artifact at the given path."""


class ArtifactInvalid(ClassifierError):
    """The file is there but is not an intact artifact: cut, altered, or something else."""


class ArtifactTooNew(ClassifierError):
    """The artifact was written in a format that this version does not know."""


class ClassifierUnavailable(ClassifierError):
    """No model can answer now: none was ever loaded in this process."""


class InputFileError(ClassifierError):
    """A file of rows or of categories cannot be read as a whole."""


class TrainingRefused(ClassifierError):
    """The labelled rows cannot train a meaningful model."""


class EvaluationRefused(ClassifierError):
    """There is nothing to judge a model on."""


class PublishRefused(ClassifierError):
    """A trained model may not replace the live one."""


class ExportRefused(ClassifierError):
    """A model cannot be written in the form that was asked for."""


class ParityRefused(TrainingRefused, ExportRefused):
    """Another form of a model answers otherwise than the model itself: no fault of the rows."""
