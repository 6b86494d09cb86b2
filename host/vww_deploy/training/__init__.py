"""MobileNet builders, datasets, training, quantisation, evaluation."""
