"""What was paid for: answers and pictures as they arrived, on disk before anything else is done with them."""

from .originals import AnswerFolder, Originals

__all__ = ["AnswerFolder", "Originals"]
