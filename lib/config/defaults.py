"""Every configuration key: default, unit, meaning. Names are those of the HRNet family.

Sizes are ``[width, height]``. Thresholds are inclusive unless said. Keys marked *bottom-up* are
read by that task only; everything of the one-stage model lives under ``MODEL.EXTRA``.
"""

from __future__ import annotations

from yacs.config import CfgNode

from lib.config.photometric import photometric_node


def default_config() -> CfgNode:
    """Return a new tree with the default of every key.

    ``MODEL.EXTRA`` is filled per model, ``MODEL.CODEC`` per codec.
    """
    cfg = _run()
    cfg.MODEL = _model()
    cfg.LOSS = _loss()
    cfg.DATASET = _dataset()
    cfg.TRAIN = _train()
    cfg.TEST = _test()
    return cfg


def _run() -> CfgNode:
    return CfgNode(
        {
            "OUTPUT_DIR": "output",  # run folders: OUTPUT_DIR/<dataset>/<model>/<name of the YAML>
            "LOG_DIR": "log",  # TensorBoard files, same sub-folders; mlflow's
            "DATA_DIR": "",  # before DATASET.ROOT, MODEL.PRETRAINED, TRAIN.TEACHER, TEST.MODEL_FILE
            # Own parts, which register themselves: modules, or .py files (from this YAML's folder).
            "IMPORTS": [],
            "GPUS": (0,),  # several: DataParallel; torchrun ignores them; (): the CPU
            "REQUIRE_GPU": False,  # stop rather than run on the CPU; as the flag --require-gpu
            "WORKERS": 4,  # loader processes per training process
            "PRINT_FREQ": 20,  # steps between log lines
            # Steps between digests of the weights in flight.bin, which has what went into every
            # step: tools/analyse/diverge.py compares those of two runs. 0 records none.
            "FLIGHT": 100,
            # What keeps records beside metrics.jsonl: tensorboard, wandb, mlflow, or one's own.
            "LOGGERS": ["tensorboard"],
            "TRACKING": {
                "PROJECT": "efepose",  # of wandb, experiment of mlflow
                "OFFLINE": True,  # nothing leaves this machine: wandb sync sends it later
                "URI": "",  # of an mlflow server; '' = files in LOG_DIR/mlruns
            },
            "PROFILE": 0,  # steps to trace into trace.json.gz; as the flag --profile
            "AUTO_RESUME": False,  # continue the run folder's checkpoint if there is one
            "PIN_MEMORY": True,  # batches in page-locked memory, which GPUs copy faster
            "SEED": 1337,  # of weights, sample order and augmentation
            "DIST_BACKEND": "",  # '' = nccl on GPUs, gloo on the CPU
            "DIST_TIMEOUT": 1800.0,  # seconds a collective may wait before the run fails
            # Only kernels that give the same bits every time, slower; those without are named.
            "DETERMINISTIC": False,
            "CUDNN": {
                "BENCHMARK": True,  # try cuDNN's algorithms and keep the fastest for each size
                "DETERMINISTIC": False,  # only those that repeat their bits; see DETERMINISTIC
                "ENABLED": True,  # use cuDNN at all
            },
            "FP16": {
                "ENABLED": False,  # autocast for the forward pass; losses stay in float32
                "DTYPE": "auto",  # auto: bfloat16 where the device has it | bfloat16 | float16
                "STATIC_LOSS_SCALE": 1.0,  # float16 only, when DYNAMIC_LOSS_SCALE is false
                "DYNAMIC_LOSS_SCALE": True,  # float16: a scale that grows until gradients overflow
            },
        }
    )


def _model() -> CfgNode:
    node = CfgNode(
        {
            "NAME": "pose_hrnet",  # a recipe: pose_resnet, pose_hrnet, ... or posenet
            "TASK": "topdown",  # posenet only: topdown | bottomup
            "BACKBONE": "",  # posenet: a backbone; pose_effpnet: a detector name
            "NECK": "",  # posenet: a neck, '' for none
            "HEAD": "",  # posenet: a head
            "BACKBONE_TYPE": "",  # pose_effpnet: 'Ours' for the enhanced backbone
            "FPN_TYPE": "",  # pose_effpnet: 'Ours' for TFNeck
            "FINAL_TYPE": "",  # pose_effpnet: 'Ours' for the final attention head
            "INIT_WEIGHTS": True,  # the family's own initialisation, else the library's
            "FREEZE_BACKBONE": False,  # as TRAIN.FREEZE [backbone]
            "FREEZE_STAGES": 7,  # 1 to 6: freeze stem and so many stages; 7: as the key above says
            "PRETRAINED": "",  # weights to start training from; a missing file stops the run
            "NUM_JOINTS": 17,  # the network predicts
            "SKELETON": "",  # joints it predicts: name or YAML file; '' = all of the data set(s)
            "TAG_PER_JOINT": True,  # bottom-up: one tag map per joint, else one for all
            "SYNC_BN": False,  # batch statistics over all GPUs (torchrun on CUDA only)
            "TARGET_TYPE": "gaussian",  # the codec: joints to maps, or bins, and back
            "IMAGE_SIZE": [256, 256],  # network input in pixels
            "HEATMAP_SIZE": [64, 64],  # network output in cells
            "SIGMA": 2.0,  # of the target, in heatmap cells
        }
    )
    node.EXTRA = CfgNode(new_allowed=True)  # settings of the model, each has its own
    node.CODEC = CfgNode(new_allowed=True)  # settings of the codec, each has its own
    return node


def _loss() -> CfgNode:
    return CfgNode(
        {
            "NAME": "",  # a loss of one's own (lib.losses.registry); '' = the codec's
            "OPTIONS": CfgNode(new_allowed=True),  # settings of that loss, each has its own
            "FACTOR": 0.5,  # of the squared error; 1.0 in HRFormer's recipe
            "USE_OHKM": False,  # average the TOPK worst joints of a person only
            "TOPK": 8,  # of USE_OHKM: joints that count
            "USE_TARGET_WEIGHT": True,  # joints without annotation do not count
            "USE_DIFFERENT_JOINTS_WEIGHT": False,  # the skeleton's joint_weights
            # bottom-up, one entry per stage
            "NUM_STAGES": 1,  # outputs of the network, coarse to fine
            "WITH_HEATMAPS_LOSS": (True,),  # which of them have heatmaps to learn
            "HEATMAPS_LOSS_FACTOR": (1.0,),  # weight of the loss of heatmaps
            "WITH_AE_LOSS": (True,),  # which have tags to learn
            "AE_LOSS_TYPE": "max",  # how tags of two people are pushed apart: exp | max
            "PUSH_LOSS_FACTOR": (0.001,),  # weight of the loss that pushes tags of people apart
            "PULL_LOSS_FACTOR": (0.001,),  # weight of the loss that pulls a person's tags together
        }
    )


def _dataset() -> CfgNode:
    node = CfgNode(
        {
            "DATASET": "coco",  # coco | mpii | crowd_pose (and the family's *_kpt spellings)
            "DATASET_TEST": "",  # '' = DATASET
            "ROOT": "",  # folder of the data set, in its own layout
            "TRAIN_SET": "train2017",  # split, as the layout names its files
            "TEST_SET": "val2017",  # split that is evaluated
            "ANNOTATION": "",  # training annotation file; '' = the layout's own path
            "ANNOTATION_TEST": "",  # as ANNOTATION, of the test split
            "IMAGES": "",  # folder of the training images; '' = the layout's own
            "IMAGES_TEST": "",  # as IMAGES, of the test split
            "NAME": "",  # of the set in a mix, before its scores; '' = DATASET
            # Boxes (a COCO result file) of people without joints, whom TRAIN.TEACHER knows: of the
            # annotation file the pictures alone count. Top-down; TEST.IMAGE_THRE chooses boxes.
            "BOX_FILE": "",
            "CATEGORY": "",  # people, by name or id ('a, b': several); '' = those with joints
            "SKELETON": "",  # name or YAML file; '' = the data set's, else its 'categories'
            "DATA_FORMAT": "jpg",  # jpg | zip: images inside <set>.zip
            "SELECT_DATA": False,  # leave out people whose joints sit far from their box
            "MAX_BAD_IMAGES": 20,  # unreadable training images that are skipped before stopping
            "COLOR_RGB": False,  # pixel order the weights expect; PoseResNet: BGR
            "FLIP": 0.5,  # probability of a mirror; true = 0.5
            "SCALE_FACTOR": 0.25,  # spread of the scale multiplier around 1
            "ROT_FACTOR": 30.0,  # spread of the rotation, degrees
            "PROB_HALF_BODY": 0.0,  # probability of a crop of the upper or lower body alone
            "NUM_JOINTS_HALF_BODY": 8,  # half-body needs more visible joints than this
            "CUTOUT": False,  # up to 8 grey squares on the crop
            "SHIFT_FACTOR": 0.0,  # top-down: largest move of the crop, as a share of its side
            "PROB_SHIFT": 0.3,  # of a move
            "NEGATIVES": 0.0,  # crops of nobody to train on, per person; for TARGET_TYPE presence
            "DRAWS": "clipped",  # clipped: the lineage's | truncated: mmpose 1.x's normal numbers
            # bottom-up
            "NUM_JOINTS": 0,  # 0 = MODEL.NUM_JOINTS
            "MAX_NUM_PEOPLE": 30,  # per image: those that are taught, and that are looked for
            "MAX_ROTATION": 30.0,  # largest rotation either way, degrees
            "MIN_SCALE": 0.75,  # smallest factor on the size of the image
            "MAX_SCALE": 1.25,  # largest
            "SCALE_TYPE": "short",  # short | long: the side that fills the input
            "MAX_TRANSLATE": 40,  # largest move either way, pixels at scale 1
            "INPUT_SIZE": 512,  # square network input, pixels
            "OUTPUT_SIZE": [128, 256, 512],  # square outputs, cells
            "SIGMA": -1.0,  # target sigma in cells; -1 = output size / 64
            "SCALE_AWARE_SIGMA": False,  # target sigma grows with the person
            "BASE_SIZE": 256.0,  # of a person that gets BASE_SIGMA, pixels
            "BASE_SIGMA": 2.0,  # cells
            "INT_SIGMA": False,  # round the sigma of a person up to whole cells
            "WITH_CENTER": False,  # one more joint, the mean of the labelled ones
        }
    )
    node.PHOTOMETRIC = photometric_node()
    node.RENAME = CfgNode(new_allowed=True)  # the set's name of a joint: the network's name of it
    # Of a set in a mix: its share of an epoch is WEIGHT / sum; 0 = everybody once.
    node.WEIGHT = 0.0
    # Several sets at once: a list of nodes with the keys above, each its own (ROOT, TRAIN_SET ...)
    # or else those of this node. Without TRAIN_SET a set is only tested on, without TEST_SET only
    # trained on. Those of TEST for its boxes stand in the entry's node TEST.
    node.MIX = []
    # Augmentation that changes: a list of nodes {EPOCH: n, KEY: value ...}, in force from EPOCH on.
    node.STAGES = []
    return node


def _train() -> CfgNode:
    node = CfgNode(
        {
            "BATCH_SIZE_PER_GPU": 32,  # per process under torchrun, per GPU with DataParallel
            "SHUFFLE": True,  # another order of samples every epoch, keyed by SEED
            "WHOLE_IMAGES": False,  # all people of an image in one batch: decoded once, less mixed
            # How pictures are read (top-down). full: every pixel. reduced: JPEGs at a half, quarter
            # or eighth of their size where that still has a pixel for each of the crop.
            "DECODE": "full",
            "BEGIN_EPOCH": 0,  # number of the first epoch
            "END_EPOCH": 140,  # epochs are below this
            "MAX_ITER": 0,  # > 0: train so many iterations instead of epochs
            "OPTIMIZER": "adam",  # adam | adamw | sgd
            "STRETCH": 1.0,  # factor on the run: its length, LR_STEP, FREEZE_UNTIL, DATASET.STAGES
            "EARLY_STOP": 0,  # > 0: end after so many evaluations without a better score
            "STOP_AFTER": 0.0,  # > 0: hours after which the run saves and stops; resume it later
            "LR": 0.001,  # learning rate after warm-up, before any drop
            "LR_RULE": "none",  # none | linear | sqrt: how LR grows with the batch over LR_BATCH
            "LR_BATCH": 0,  # samples per step that LR is meant for, all processes together
            "WD": 0.0001,  # weight decay of adamw and sgd
            "ADAM_WD": 0.0,  # weight decay of adam: the family's Adam ran without
            "WD_NORM": -1.0,  # weight decay of norm layers; -1 = as all others
            "WD_BIAS": -1.0,  # weight decay of other biases; -1 = as all others
            "LAYER_DECAY": 1.0,  # factor on LR from each layer of the backbone to the one before
            "FREEZE": [],  # patterns of parts that are not trained: backbone, backbone.layer[12]
            "FREEZE_UNTIL": 0,  # epoch (iteration) from which they are; 0 = never
            "MOMENTUM": 0.9,  # of sgd
            "NESTEROV": False,  # sgd with Nesterov's momentum
            "SCHEDULER": "multistep",  # multistep | cosine | plateau
            "LR_FACTOR": 0.1,  # of the rate at each drop
            "LR_STEP": [90, 110],  # finished epochs (iterations with MAX_ITER) before each drop
            "LR_MIN": 0.0,  # cosine: rate at the end
            "FLAT": 0.0,  # cosine: share of the run at the full rate before it
            "PATIENCE": 5,  # plateau: evaluations without progress
            "WARMUP_EPOCHS": 0,  # extra epochs before BEGIN_EPOCH, at 1/n, 2/n, ... of LR
            "WARMUP_ITERS": 0,  # optimiser steps of a linear rise
            "WARMUP_FACTOR": 0.001,  # of LR at the first of WARMUP_ITERS
            "ACCUMULATE": 1,  # batches per optimiser step
            "CLIP_NORM": 0.0,  # largest gradient norm; 0 = no clipping
            "EMA": 0.0,  # decay of the averaged weights; 0 = none
            "EMA_RAMP": 0.0,  # > 0: steps in which the weight of new values falls to 1 - EMA
            "COMPILE": False,  # torch.compile
            # Stages that compute their activations again for the gradients instead of keeping
            # them: less memory, the same numbers. Patterns as in FREEZE; '*' = every stage.
            "RECOMPUTE": [],
            # Another trained network that teaches this one (top-down): a name of the zoo, a run
            # folder, a weight file or an exported model; '' = nobody
            "TEACHER": "",
            "TEACHER_CFG": "",  # its YAML; '' = what the teacher's own card says
            "TEACHER_WEIGHT": 0.5,  # its share of what is learned; the truth has the rest
            "GLOBAL_BATCH": 0,  # > 0: stop unless the effective batch is this
            "EVAL_PERIOD": 1,  # epochs (iterations) between evaluations; 0 = only at the end
            "WORST": 8,  # samples with the highest losses of each epoch that are named; 0 = none
            "VAL_LOSS": False,  # also measure the loss on the test split with every evaluation
            "CHECKPOINT_PERIOD": 1,  # epochs (iterations) between checkpoints
            "CHECKPOINT_ITERS": 0,  # > 0: optimiser steps between checkpoints instead
            "KEEP_LAST": 0,  # older checkpoints to keep beside checkpoint.pth
            "FORMAT": "pth",  # of model_best and final_state: pth | safetensors
            "RESUME": False,  # as the flag --resume
        }
    )
    node.LR_MULT = CfgNode(new_allowed=True)  # {pattern of parameter names: factor on LR}
    return node


def _test() -> CfgNode:
    return CfgNode(
        {
            # Crops, or images, in a batch at most; a bottom-up batch holds images of one size. On a
            # CPU bottom-up and one-stage models see images one by one, this many side by side.
            "BATCH_SIZE_PER_GPU": 32,
            # As TRAIN.DECODE, of the test split, not of what predict.py is shown: full | reduced |
            # cuda, where a GPU decodes JPEGs and cuts the crops.
            "DECODE": "full",
            "MODEL_FILE": "",  # '' = the run folder's model_best.pth, else final_state.pth
            "RUNTIME": "",  # runs exported files: onnxruntime | openvino | torch; '' = by ending
            "FLIP_TEST": False,  # mean with the answer to the mirror image
            "SHIFT_HEATMAP": False,  # lineage: mirrored heatmaps move one column right
            "FLIP_ALIGN": "",  # none | integer | exact; '' = as SHIFT_HEATMAP says
            "POST_PROCESS": False,  # refine peaks: a quarter cell; a Newton step (dark, udp)
            "SOFT_ARGMAX": False,  # decode by spatial soft-argmax
            "SOFT_ARGMAX_BETA": 160.0,  # sharpness of the softmax over the cells
            "BIAS": 0.0,  # taken off both image coordinates
            "USE_GT_BBOX": False,  # crops around annotated boxes, not a detector's
            "COCO_BBOX_FILE": "",  # detector boxes, used when USE_GT_BBOX is false
            "IMAGE_THRE": 0.1,  # lowest score of a detector box
            "IN_VIS_THRE": 0.0,  # lowest joint score that counts in rescoring
            "RESCORE": True,  # person score = box score x mean joint score
            "OKS_THRE": 0.5,  # OKS-NMS removes poses more alike than this
            "SOFT_NMS": False,  # lower the scores of like poses instead of removing them
            "CALIBRATE": False,  # map scores by what tools/analyse/calibrate.py left in the weights
            "EVALUATOR": "auto",  # auto (own) | own | pycocotools | fast (faster-coco-eval)
            # More metrics of lib.evaluation.metrics, or of one's own, beside the data set's: [pck]
            "METRICS": [],
            # What chooses the best weights: AP .75, coco/AP, EPE of METRICS, loss of VAL_LOSS (of
            # errors and losses the lowest is best); '' = the main score
            "BEST": "",
            # Test images that every evaluation of a training paints: truth, found, maps. 0 = none.
            "SAMPLES": 4,
            "FOLD_BN": True,  # merge batch-norm into convolutions before predicting
            "COMPILE": False,  # torch.compile: faster light networks, after seconds of compiling
            # bottom-up
            "SCALE_FACTOR": [1.0],  # sizes that are predicted and merged, of INPUT_SIZE
            "ADJUST": True,  # quarter-cell step toward the higher neighbour
            "REFINE": True,  # look for the missing joints of each person
            "DETECTION_THRESHOLD": 0.2,  # a joint's score must be above it
            "TAG_THRESHOLD": 1.0,  # the distance of a joint's tag to its person's must be below it
            "USE_DETECTION_VAL": True,  # of joints as near by tag, take the stronger
            "IGNORE_TOO_MUCH": False,  # leave the joints that follow alone at MAX_NUM_PEOPLE people
            "IGNORE_CENTER": True,  # leave the joint of WITH_CENTER out of the answer
            "MATCHER": "munkres",  # who gets which joint: munkres (reference order) | scipy
            "NMS_KERNEL": 3,  # side of the window in which one peak survives, cells
            "NMS_PADDING": 1,  # cells around the map for that window
            "PROJECT2IMAGE": False,  # merge outputs at the size of the input, not of the finest map
            "WITH_HEATMAPS": (True,),  # outputs whose heatmaps are merged
            "WITH_AE": (True,),  # outputs whose tags are used
        }
    )
