"""What structure: clusters and modes of responses, their stability, and bands along an axis. Arrays in, arrays out."""

from zeeman.bands.clusters import Clusters as Clusters
from zeeman.bands.clusters import cluster_places as cluster_places
from zeeman.bands.clusters import cluster_rows as cluster_rows
from zeeman.bands.clusters import find_clusters as find_clusters
from zeeman.bands.cuts import conductance as conductance
from zeeman.bands.modes import Modes as Modes
from zeeman.bands.modes import significant_modes as significant_modes
from zeeman.bands.neighbours import nearest_neighbours as nearest_neighbours
from zeeman.bands.neighbours import neighbour_graph as neighbour_graph
from zeeman.bands.nulls import gaussian_twin as gaussian_twin
from zeeman.bands.nulls import rewired as rewired
from zeeman.bands.preparation import prepare as prepare
from zeeman.bands.reproducible import reproducible_axes as reproducible_axes
from zeeman.bands.stability import adjusted_rand_index as adjusted_rand_index
from zeeman.bands.stability import agreement as agreement
from zeeman.bands.stability import half_agreement as half_agreement
from zeeman.bands.stability import match_clusters as match_clusters
from zeeman.bands.stability import mean_agreement as mean_agreement
from zeeman.bands.tokens import NEIGHBOURS as NEIGHBOURS
from zeeman.bands.tokens import cluster_tokens as cluster_tokens
from zeeman.bands.tokens import unite as unite
from zeeman.bands.tracking import Band as Band
from zeeman.bands.tracking import Overlap as Overlap
from zeeman.bands.tracking import subspace_overlap as subspace_overlap
from zeeman.bands.tracking import token_overlap as token_overlap
from zeeman.bands.tracking import track as track
