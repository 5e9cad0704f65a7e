# SPDX-License-Identifier: Apache-2.0
"""Makes a host able to run: finds, installs or builds the engine, the tools and the images."""
