"""Only model_fn: everything else is the container's."""

import numpy as np


class Sum:
    def predict(self, data):
        assert isinstance(data, np.ndarray)
        assert data.dtype == np.float32
        return np.nansum(data, axis=1) > 5


def model_fn(model_dir):
    return Sum()
