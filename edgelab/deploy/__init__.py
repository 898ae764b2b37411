"""Deploy: a model on the device it is for, a bundle to copy and a Raspberry Pi to try it on. Never TensorFlow."""

from edgelab.deploy.bundle import preprocessing_source, read_labels, write_bundle
from edgelab.deploy.pi import Comparison, compare_on_pi, missing_for_pi, pi_sysroot, run_on_pi
