"""What reading, with its error bar: arrays of draws in, readings out."""

from zeeman.spectra.asymptotics import Asymptotics as Asymptotics
from zeeman.spectra.asymptotics import fit_asymptotics as fit_asymptotics
from zeeman.spectra.behaviour import behaviour as behaviour
from zeeman.spectra.density import DensityOfStates as DensityOfStates
from zeeman.spectra.density import density_of_states as density_of_states
from zeeman.spectra.hessian import Quadrature as Quadrature
from zeeman.spectra.hessian import Rank as Rank
from zeeman.spectra.hessian import SpectralDensity as SpectralDensity
from zeeman.spectra.hessian import count_above as count_above
from zeeman.spectra.hessian import quadratic_exponent as quadratic_exponent
from zeeman.spectra.hessian import quadrature as quadrature
from zeeman.spectra.hessian import rank_with_gap as rank_with_gap
from zeeman.spectra.hessian import spectral_density as spectral_density
from zeeman.spectra.hessian import trace as trace
from zeeman.spectra.ladder import llc_ladder as llc_ladder
from zeeman.spectra.llc import llc_mean as llc_mean
from zeeman.spectra.llc import llc_variance as llc_variance
from zeeman.spectra.llc import minibatch_variance as minibatch_variance
from zeeman.spectra.susceptibility import Susceptibility as Susceptibility
from zeeman.spectra.susceptibility import jackknife as jackknife
from zeeman.spectra.susceptibility import susceptibility as susceptibility
from zeeman.spectra.thermodynamics import PathVolume as PathVolume
from zeeman.spectra.thermodynamics import VolumeCurve as VolumeCurve
from zeeman.spectra.thermodynamics import heat_capacity as heat_capacity
from zeeman.spectra.thermodynamics import path_volume as path_volume
from zeeman.spectra.thermodynamics import volume_curve as volume_curve
