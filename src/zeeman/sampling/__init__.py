"""The instrument: local posteriors, samplers, the one driver, and the health of chains."""

from zeeman.sampling.driver import Block as Block
from zeeman.sampling.driver import ChainState as ChainState
from zeeman.sampling.driver import Observable as Observable
from zeeman.sampling.driver import Schedule as Schedule
from zeeman.sampling.driver import run_chain as run_chain
from zeeman.sampling.health import Health as Health
from zeeman.sampling.health import judge as judge
from zeeman.sampling.ladder import Ladder as Ladder
from zeeman.sampling.ladder import LadderDraws as LadderDraws
from zeeman.sampling.ladder import run_ladder as run_ladder
from zeeman.sampling.moves import Energy as Energy
from zeeman.sampling.noise import Noise as Noise
from zeeman.sampling.noise import minibatch as minibatch
from zeeman.sampling.posterior import LocalPosterior as LocalPosterior
from zeeman.sampling.posterior import Loss as Loss
from zeeman.sampling.posterior import check_number as check_number
from zeeman.sampling.posterior import language_model_hits as language_model_hits
from zeeman.sampling.posterior import language_model_loss as language_model_loss
from zeeman.sampling.rmsprop_sgld import RMSPropSGLD as RMSPropSGLD
from zeeman.sampling.samplers import Sampler as Sampler
from zeeman.sampling.sgld import SGLD as SGLD
from zeeman.sampling.unloaded import Unloaded as Unloaded
from zeeman.sampling.unloaded import match_energy as match_energy
