"""What an installation from a clone brings along: settings of the notebooks' kernels and of JupyterLab."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Put two files where Jupyter looks for them in the environment's prefix.

    binder/ipython_kernel_config.json is read by each kernel. What libraries in C++ write to descriptor 2, such as
    TensorFlow's greetings, then goes to the terminal and not into the notebook. NumPy multiplies matrices on one
    thread: the course's are small, and on a busy machine OpenBLAS's second thread waits in a loop, at 3 to 20 times the
    processor time. TensorFlow convolves by oneDNN, which it leaves off on some x86-64 processors: there a training
    takes twice the time and 100 MB more, and adds in another order, so that the stored outputs would be another
    machine's. What a reader has set is kept.

    binder/jupyterlab_overrides.json changes a default of JupyterLab: lines of code are wrapped at the window's edge and
    not cut off there.

    Only for an editable installation, which each door of the course makes: the wheel leaves the kernels of other
    people's environments as they are.
    """

    def initialize(self, version: str, build_data: dict) -> None:
        """Add the files where a clone is installed."""
        if version == "editable":
            build_data["shared_data"] |= {
                "binder/ipython_kernel_config.json": "etc/ipython/ipython_kernel_config.json",
                "binder/jupyterlab_overrides.json": "share/jupyter/lab/settings/overrides.json",
            }
