"""matplotlib's backend where there is no display: Agg, whose windows are files.

show() writes the figures that are open, and closes them, as it returns elsewhere when
the last window has been closed. Those that are still open when the program ends
(after show(block=False), or without show()) are written then, and those that are open
at the end of an exec of a session, which closes them. They become
figure-1.png, figure-2.png and so on in the working directory; a name that is taken
already is left alone. What the program has saved by itself is not written again.
"""
import atexit
import io
import itertools
import os

from matplotlib import is_interactive
from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase, _Backend
from matplotlib.backends.backend_agg import FigureCanvasAgg

numbers = itertools.count(1)


def open_next():
    for number in numbers:
        try:
            return open(f"figure-{number}.png", "xb")
        except FileExistsError:
            pass


def write_open():
    """Each figure that is open and has not been saved."""
    for manager in Gcf.get_all_fig_managers():
        if getattr(manager.canvas, "saved", True):
            continue
        data = io.BytesIO()
        manager.canvas.figure.savefig(data, format="png")
        with open_next() as file:
            file.write(data.getbuffer())


def end_of_exec():
    write_open()
    Gcf.destroy_all()


class Figures:
    """Whose end writes what is open: this process's, not its children's."""
    owner = None

    @classmethod
    def begin(cls):
        if cls.owner is None:
            cls.owner = os.getpid()
            atexit.register(cls.end)

    @classmethod
    def end(cls):
        if cls.owner == os.getpid():
            write_open()


class FigureManager(FigureManagerBase):
    def __init__(self, canvas, num):
        super().__init__(canvas, num)
        Figures.begin()

    def show(self):
        """Has no window; see above for when the figure is written."""


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
    saved = False

    def print_figure(self, *args, **kwargs):
        done = super().print_figure(*args, **kwargs)
        self.saved = True
        return done


@_Backend.export
class Backend(_Backend):
    FigureCanvas = FigureCanvas
    FigureManager = FigureManager

    @staticmethod
    def show(*args, block=None):
        if not (not is_interactive() if block is None else block):
            return
        end_of_exec()
