"""What editors and type checkers see of the names that ``__getattr__`` loads."""

from prunescope.api.comparison import AuditResult as AuditResult
from prunescope.api.comparison import audit as audit
from prunescope.api.measures import Alpha as Alpha
from prunescope.api.measures import alpha as alpha
from prunescope.api.measures import effect_on_classes as effect_on_classes
from prunescope.api.measures import el2n as el2n
from prunescope.api.measures import pies as pies
from prunescope.api.study import Study as Study
from prunescope.api.study import load_study as load_study
from prunescope.errors import UserError as UserError

__version__: str

def code_revision() -> str: ...
