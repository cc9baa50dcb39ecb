"""YAML files of the HRNet family, read into one checked, frozen tree.

``defaults``  every key with its unit and meaning
``loader``    ``_BASE_``, overrides, EXTRA schemas, the resolved file
``inherited`` nodes whose keys depend on another: what a base wrote for another model
``variants``  lists of nodes: several data sets, stages of augmentation
``photometric``  changes of colour and sharpness
``merge``     nested keys as read -> keys with types
``coerce``    values as users write them -> values of the type a key has
``legacy``    spellings of older code bases, keys that no longer do anything
``effect``    keys that change nothing, or ask for what is not done
``validate``  rules that span several keys
``origin``    where every value comes from, and what differs between two trees
``meaning``   what a key is for, takes and comes from; ``papers`` the works
"""

from lib.config.loader import load_config, load_config_text, save_config
from lib.utils.errors import ConfigError

__all__ = ["ConfigError", "load_config", "load_config_text", "save_config"]
