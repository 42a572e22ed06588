"""External validation: what a finished model makes of animals that it was not trained on, and what would mend it.

- `hcc_scope.evaluation.external.admission`: whether the model may be applied to these images, and has not seen them.
- `hcc_scope.evaluation.external.analysis`: its predictions and all figures of them.
- `hcc_scope.evaluation.external.recalibration`: temperature, intercept and slope that would fit these animals.
- `hcc_scope.evaluation.external.drift`: how the images differ from those of the training.
- `hcc_scope.evaluation.external.words`, ``.record``, ``.figures``: sentences, files and pictures.
"""
