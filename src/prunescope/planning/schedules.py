"""Whether a study's trainings are long enough for the gradual schedules it gives them."""

from __future__ import annotations

from prunescope.config.architectures import fine_tuning_epochs
from prunescope.config.study import Study
from prunescope.errors import UserError


def check_schedules(study: Study) -> None:
    """Refuse gradual pruners whose warm-up and cool-down leave no step, by the declared sizes of the data sets.

    These are upper bounds: what passes here may still turn out too short for the data that are found.

    Raises:
        UserError: the line names the pruner, the model and the steps.
    """
    for cell in study.cells:
        pruner = None if cell.dense else study.all_pruners[cell.pruner]
        if pruner is None or not pruner.is_gradual:
            continue
        training = study.training(cell.dataset, cell.arch)
        epochs = fine_tuning_epochs(training) if pruner.needs_trained else training.epochs
        steps = epochs * -(-study.datasets[cell.dataset].declared().train // training.batch_size)
        try:
            pruner.gradual.waits(steps)
        except UserError as error:
            raise UserError(f"pruners.{cell.pruner}: {cell.arch} on {cell.dataset}: {error}") from None
