"""What needs no knowledge of poses: errors, images, logging, seeds, loader processes, Slurm."""
