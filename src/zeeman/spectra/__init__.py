"""What reading, with its error bar: arrays of draws in, readings out."""

from zeeman.spectra.asymptotics import Asymptotics as Asymptotics
from zeeman.spectra.asymptotics import fit_asymptotics as fit_asymptotics
from zeeman.spectra.behaviour import behaviour as behaviour
from zeeman.spectra.calibration import Objective as Objective
from zeeman.spectra.calibration import Pilot as Pilot
from zeeman.spectra.density import DensityOfStates as DensityOfStates
from zeeman.spectra.density import density_of_states as density_of_states
from zeeman.spectra.ladder import llc_ladder as llc_ladder
from zeeman.spectra.llc import llc_mean as llc_mean
from zeeman.spectra.llc import llc_variance as llc_variance
from zeeman.spectra.llc import minibatch_variance as minibatch_variance
from zeeman.spectra.susceptibility import Susceptibility as Susceptibility
from zeeman.spectra.susceptibility import jackknife as jackknife
from zeeman.spectra.susceptibility import susceptibility as susceptibility
