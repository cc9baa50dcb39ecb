"""YAML files of tests."""

# The shape of the files that users bring: HRNet's, and PoseResNet's first code base.
HRNET = """
AUTO_RESUME: true
CUDNN: {BENCHMARK: true, DETERMINISTIC: false, ENABLED: true}
GPUS: (0,1,2,3)
DATASET: {COLOR_RGB: true, DATASET: 'coco', DATA_FORMAT: jpg, FLIP: true, ROOT: 'data/coco/'}
MODEL:
  INIT_WEIGHTS: true
  NAME: pose_hrnet
  SIGMA: 2
  IMAGE_SIZE: [192, 256]
  HEATMAP_SIZE: [48, 64]
  EXTRA:
    PRETRAINED_LAYERS: ['conv1', 'bn1']
    STAGE2: {NUM_MODULES: 1, NUM_BRANCHES: 2, BLOCK: BASIC, NUM_BLOCKS: [4, 4],
             NUM_CHANNELS: [32, 64], FUSE_METHOD: SUM}
TRAIN: {LR: 0.001, LR_STEP: [170, 200], END_EPOCH: 210, GAMMA1: 0.99, WD: 0.0001}
TEST: {BBOX_THRE: 1.0, OKS_THRE: 0.9, SOFT_NMS: false}
DEBUG: {DEBUG: true, SAVE_BATCH_IMAGES_GT: true}
"""
