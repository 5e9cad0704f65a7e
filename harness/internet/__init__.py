# SPDX-License-Identifier: Apache-2.0
"""A small internet on this machine, in namespaces of its own, where the public registries answer by their real names.

`content` prepares what they have, `world` serves it behind a name server, `machine` is a machine in it, with a network,
an /etc and a container engine of its own. What this host has stays as it is.
"""
