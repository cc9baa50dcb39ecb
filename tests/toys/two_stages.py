"""A small bottom-up model of two stages, as parts of a configuration."""

EXTRA = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [4, 8]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [4, 8, 8]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [4, 8, 8, 8]},
    "DECONV": {"NUM_CHANNELS": [4], "NUM_BASIC_BLOCKS": 1},
}
STAGES = {
    "LOSS": {
        "NUM_STAGES": 2,
        "WITH_HEATMAPS_LOSS": [True, True],
        "HEATMAPS_LOSS_FACTOR": [1.0, 1.0],
        "WITH_AE_LOSS": [True, False],
        "AE_LOSS_TYPE": "exp",
        "PUSH_LOSS_FACTOR": [0.001, 0.001],
        "PULL_LOSS_FACTOR": [0.001, 0.001],
    },
    "TEST": {
        "WITH_HEATMAPS": [True, True],
        "WITH_AE": [True, False],
        "FLIP_TEST": True,
        "PROJECT2IMAGE": True,
        "DETECTION_THRESHOLD": 0.1,
        "NMS_KERNEL": 5,
        "NMS_PADDING": 2,
    },
}
