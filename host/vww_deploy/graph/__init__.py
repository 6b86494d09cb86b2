"""A network as data: the .tflite reader, the IR, the host reference, and costs."""
