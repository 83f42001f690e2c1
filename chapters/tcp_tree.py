"""For chapters/tcp-ask-the-kernel.ipynb: a red-black tree after the textbook, whose shape one can look at.

Shape is the point: two libraries may keep the same keys in order and still balance differently, so this follows
the rotations of Cormen, Leiserson, Rivest and Stein (chapter 13) one by one, as the kernel's tree does.
"""


class Piece:
    """A held piece of a stream: bytes for start <= offset < end, and its place in the tree."""

    def __init__(self, start, data):
        self.start, self.data = start, data
        self.left = self.right = self.parent = None
        self.red = True

    @property
    def end(self):
        return self.start + len(self.data)

    def __repr__(self):
        return f"{self.data}@{self.start}"


def is_red(piece):
    return piece is not None and piece.red


class Tree:
    """Pieces ordered by start; the caller descends, the tree rebalances."""

    def __init__(self):
        self.root = None

    def __iter__(self):
        """Yield the pieces by start."""

        def walk(piece):
            if piece is not None:
                yield from walk(piece.left)
                yield piece
                yield from walk(piece.right)

        return walk(self.root)

    def after(self, piece):
        """Return the next piece by start, or None."""
        if piece.right is not None:
            piece = piece.right
            while piece.left is not None:
                piece = piece.left
            return piece
        while piece.parent is not None and piece is piece.parent.right:
            piece = piece.parent
        return piece.parent

    def _hang(self, old, new):
        """Put `new` (or nothing) where `old` hangs."""
        if old.parent is None:
            self.root = new
        elif old is old.parent.left:
            old.parent.left = new
        else:
            old.parent.right = new
        if new is not None:
            new.parent = old.parent

    def _rotate(self, top, to_left):
        """Let the child of `top` on the other side rise above it."""
        near, far = ("left", "right") if to_left else ("right", "left")
        child = getattr(top, far)
        middle = getattr(child, near)
        setattr(top, far, middle)
        if middle is not None:
            middle.parent = top
        self._hang(top, child)
        setattr(child, near, top)
        top.parent = child

    def insert(self, piece, parent, to_right):
        """Hang `piece` below `parent` (None: it is the first) and rebalance."""
        piece.parent = parent
        if parent is None:
            self.root = piece
        elif to_right:
            parent.right = piece
        else:
            parent.left = piece
        while is_red(piece.parent):
            parent, grand = piece.parent, piece.parent.parent
            on_left = parent is grand.left
            uncle = grand.right if on_left else grand.left
            if is_red(uncle):
                parent.red = uncle.red = False
                grand.red = True
                piece = grand
                continue
            if piece is (parent.right if on_left else parent.left):
                self._rotate(parent, on_left)
                parent = piece
            parent.red, grand.red = False, True
            self._rotate(grand, not on_left)
            break
        self.root.red = False

    def replace(self, old, new):
        """Let `new` take the place, the children and the colour of `old`."""
        new.left, new.right, new.red = old.left, old.right, old.red
        for child in (new.left, new.right):
            if child is not None:
                child.parent = new
        self._hang(old, new)

    def erase(self, piece):
        """Take `piece` out and rebalance."""
        if piece.left is None or piece.right is None:
            child = piece.left if piece.right is None else piece.right
            parent, black = piece.parent, not piece.red
            self._hang(piece, child)
        else:
            heir = self.after(piece)
            child, black = heir.right, not heir.red
            parent = heir if heir.parent is piece else heir.parent
            if heir.parent is not piece:
                self._hang(heir, child)
                heir.right = piece.right
                heir.right.parent = heir
            heir.left, heir.red = piece.left, piece.red
            heir.left.parent = heir
            self._hang(piece, heir)
        if black:
            self._repair(child, parent)

    def _repair(self, piece, parent):
        """One black piece is missing above `piece`: mend it."""
        while piece is not self.root and not is_red(piece):
            on_left = piece is parent.left
            sibling = parent.right if on_left else parent.left
            if sibling.red:
                sibling.red, parent.red = False, True
                self._rotate(parent, on_left)
                sibling = parent.right if on_left else parent.left
            near = sibling.left if on_left else sibling.right
            far = sibling.right if on_left else sibling.left
            if not is_red(near) and not is_red(far):
                sibling.red = True
                piece, parent = parent, parent.parent
                continue
            if not is_red(far):
                near.red, sibling.red = False, True
                self._rotate(sibling, not on_left)
                sibling, far = near, sibling
            sibling.red, parent.red = parent.red, False
            far.red = False
            self._rotate(parent, on_left)
            return
        if piece is not None:
            piece.red = False
