"""What an installation from a clone brings along: the setting of the notebooks' kernels."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Put binder/ipython_kernel_config.json where each kernel of the environment reads it: etc/ipython in its prefix.

    What libraries in C++ write to descriptor 2, such as TensorFlow's greetings, then goes to the terminal and not into
    the notebook. NumPy multiplies matrices on one thread: the course's are small, and on a busy machine OpenBLAS's
    second thread waits in a loop, at 3 to 20 times the processor time. TensorFlow convolves by oneDNN, which it leaves
    off on some x86-64 processors: there a training takes twice the time and 100 MB more, and adds in another order, so
    that the stored outputs would be another machine's. What a reader has set is kept.

    Only for an editable installation, which each door of the course makes: the wheel leaves the kernels of other
    people's environments as they are.
    """

    def initialize(self, version: str, build_data: dict) -> None:
        """Add the file where a clone is installed."""
        if version == "editable":
            name = "ipython_kernel_config.json"
            build_data["shared_data"][f"binder/{name}"] = f"etc/ipython/{name}"
