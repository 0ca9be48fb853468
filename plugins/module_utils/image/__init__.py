# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images of models: their names and layers, the s2i contract, the engine and the registry.

Engine, Registry and S2i are the only places that talk to those; the rest decides. May import
deployment; used by the modules s2i_builder, s2i_image, image_push and by contract tests.
"""
