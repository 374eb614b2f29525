"""The same as `tests.support`, under the name that it had."""

from tests.support.places import ROOT as ROOT
from tests.support.ports import free_port as free_port
from tests.support.processes import gateway as gateway
from tests.support.processes import running as running
from tests.support.processes import simulator as simulator
