"""Where records go beside ``metrics.jsonl``: programs that keep and compare runs.

``base``      the interface, and the registry that ``LOGGERS`` names
``board``     TensorBoard        ``wandb_store``, ``mlflow_store``  the others
``follower``  what metrics.jsonl says -> a tracker, each line once, whatever stops the run
``build``     configuration -> trackers
"""
