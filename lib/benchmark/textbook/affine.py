"""Crop affines point by point, solved by OpenCV; the oracle of lib/structures/geometry.py."""

import cv2
import numpy as np


def crop_affine(crop, rotation, output_size, inverse=False):
    """(2, 3) map of one crop (centre x, centre y, width, height) turned by ``rotation`` degrees."""
    width, height = output_size
    angle = np.deg2rad(rotation)
    centre = np.array(crop[:2])
    source = np.zeros((3, 2), np.float32)
    output = np.zeros((3, 2), np.float32)
    source[0] = centre
    source[1] = centre + crop[2] / 2 * np.array([np.sin(angle), -np.cos(angle)])
    output[0] = [width / 2, height / 2]
    output[1] = [width / 2, height / 2 - width / 2]
    for points in (source, output):
        arm = points[0] - points[1]
        points[2] = points[1] + [-arm[1], arm[0]]
    if inverse:
        return cv2.getAffineTransform(output, source)
    return cv2.getAffineTransform(source, output)


def map_points(points, matrix):
    """Map (K, 2) points one by one."""
    return np.array([matrix @ [x, y, 1.0] for x, y in points])
