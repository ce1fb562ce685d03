"""For plugin authors: contract checks and small trials, to call from your own tests.

A check uses a plugin's thing on tiny networks and tasks as a run would. It returns what it found right. It raises an
`AssertionError` that says which promise was broken, or an `UncheckedError` where the thing refuses everything that it
was tried on.
"""

from __future__ import annotations

from ticketbench.testing.blobs import Blobs as Blobs
from ticketbench.testing.fleet import bench_for as bench_for
from ticketbench.testing.fleet import carry_out as carry_out
from ticketbench.testing.fleet import lives as lives
from ticketbench.testing.fleet import optimizer_of as optimizer_of
from ticketbench.testing.fleet import outputs_on_shared as outputs_on_shared
from ticketbench.testing.fleet import reported_by as reported_by
from ticketbench.testing.fleet import stacked_pass as stacked_pass
from ticketbench.testing.given import GivenExamples as GivenExamples
from ticketbench.testing.given import GivenNetwork as GivenNetwork
from ticketbench.testing.initializers import check_initializer as check_initializer
from ticketbench.testing.mask_rules import check_mask_rule as check_mask_rule
from ticketbench.testing.methods import check_method as check_method
from ticketbench.testing.models import check_model as check_model
from ticketbench.testing.networks import Tiny as Tiny
from ticketbench.testing.outcome import Outcome as Outcome
from ticketbench.testing.parts import RECIPE as RECIPE
from ticketbench.testing.parts import AsBuilt as AsBuilt
from ticketbench.testing.parts import Untrained as Untrained
from ticketbench.testing.passed import Passed as Passed
from ticketbench.testing.passed import UncheckedError as UncheckedError
from ticketbench.testing.probes import check_probe as check_probe
from ticketbench.testing.protocols import check_protocol as check_protocol
from ticketbench.testing.registered import check_registered as check_registered
from ticketbench.testing.scorers import check_scorer as check_scorer
from ticketbench.testing.suites import check_suite as check_suite
from ticketbench.testing.tasks import check_task as check_task
from ticketbench.testing.trials import run_cells as run_cells
from ticketbench.testing.trials import run_method as run_method
from ticketbench.testing.trials import train as train
from ticketbench.testing.trials import trial_for as trial_for
from ticketbench.testing.trials import trial_of_cell as trial_of_cell
