"""How many bytes of tensors live at once: the meter of the loss chapters, under this part's name."""

from loss_memory import peak_bytes

__all__ = ["peak_bytes"]
