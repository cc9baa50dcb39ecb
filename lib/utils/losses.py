"""The name by which losses of single samples travel beside the losses of a batch."""

# (N,) what the loss of each sample would be, were it alone in its batch; detached. It is no loss
# itself and is not added up: training names the worst samples of an epoch by it.
SAMPLES = "_samples"
