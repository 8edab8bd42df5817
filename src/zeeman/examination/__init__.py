"""Plans, runs on an engine, stores and resumes; the only room that ties the others together."""

from zeeman.examination.densities import Density as Density
from zeeman.examination.densities import HessianSpectrum as HessianSpectrum
from zeeman.examination.device import Device as Device
from zeeman.examination.device import Draws as Draws
from zeeman.examination.devices import LLC as LLC
from zeeman.examination.devices import Behaviours as Behaviours
from zeeman.examination.devices import Susceptibilities as Susceptibilities
from zeeman.examination.document import document as document
from zeeman.examination.document import headline as headline
from zeeman.examination.document import llc_table as llc_table
from zeeman.examination.engine import Progress as Progress
from zeeman.examination.plan import Plan as Plan
from zeeman.examination.plan import plan as plan
from zeeman.examination.potential import PotentialExamination as PotentialExamination
from zeeman.examination.potential import examine_potential as examine_potential
from zeeman.examination.run import DEVICES as DEVICES
from zeeman.examination.run import Examination as Examination
from zeeman.examination.run import examine as examine
from zeeman.examination.run import planned_units as planned_units
from zeeman.examination.run import settings_from as settings_from
from zeeman.examination.store import Store as Store
from zeeman.examination.subject import Subject as Subject
from zeeman.examination.transitions import Transition as Transition
from zeeman.examination.transitions import find_transitions as find_transitions
from zeeman.examination.unit import SamplerSettings as SamplerSettings
from zeeman.examination.unit import Unit as Unit
