# SPDX-License-Identifier: Apache-2.0
"""What went into the foundry's artefacts: their components, bills of materials and provenance."""
