r"""The formula of each schedule in TeX, and the configuration whose picture goes with it, for the reference.

The factor f is a function of the time t since the start of the schedule, in optimizer steps; T is its length.
`mathml` turns TeX into MathML when the site is built, so that a reader needs no script and no network.
"""

from __future__ import annotations

from typing import NamedTuple

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


class Shown(NamedTuple):
    """Formula and picture of a schedule.

    Attributes:
        formula: In TeX.
        picture: Stem of a configuration in ``configs/``.
    """

    formula: str
    picture: str


COSINE = r"\frac{1 + \cos(\pi t / T)}{2}"
SHOWN = {
    "ConstantFactor": Shown(
        r"f(t) = \begin{cases} \mathrm{factor} & t < T \\ 1 & t \ge T \end{cases}", "constant_factor"
    ),
    "CosineAnnealing": Shown(
        rf"\eta(t) = \eta_{{\min}} + (\eta_{{\mathrm{{base}}}} - \eta_{{\min}}) \, {COSINE}", "cosine_annealing"
    ),
    "CyclicalLR": Shown(
        r"\eta(t) = \eta_{\mathrm{bottom}} + (\eta_{\mathrm{top}} - \eta_{\mathrm{bottom}}) \cdot h(t) \cdot "
        r"\mathrm{scale}(t)",
        "cyclical_lr",
    ),
    "ExponentialDecay": Shown(
        r"f(t) = \gamma^{t / s} \qquad \text{or} \qquad f(t) = e^{-k t / s}", "exponential_decay"
    ),
    "FinalDecay": Shown(
        r"f(t) = e + (1 - e) \, d(x), \qquad x = \frac{t - t_{\mathrm{begun}}}{T}, \qquad d(x) = 1 - x", "final_decay"
    ),
    "GreedyLR": Shown(
        r"f_k = \min\left(\frac{f_{k-1}}{\mathrm{factor}}, \; \frac{\eta_{\max}}{\eta_{\mathrm{base}}}\right) \; "
        r"\text{or} \; \max\left(f_{k-1} \cdot \mathrm{factor}, \; \frac{\eta_{\min}}{\eta_{\mathrm{base}}}\right)",
        "greedy_lr",
    ),
    "InversePower": Shown(
        r"f(t) = \left(1 + \mathrm{rate} \cdot \frac{t}{s}\right)^{-\mathrm{power}}", "inverse_power"
    ),
    "InverseSqrt": Shown(r"f(t) = \sqrt{\frac{s}{t + s}}", "inverse_sqrt"),
    "LambdaFactor": Shown(r"f(t) = \mathrm{function}(t)", "lambda_factor"),
    "LinearDecay": Shown(r"f(t) = s + (e - s) \, \frac{t}{T}", "linear_decay"),
    "MultiplicativeFactor": Shown(r"f(t) = \prod_{i=1}^{t} \mathrm{function}(i)", "multiplicative_factor"),
    "MultiStepDecay": Shown(
        r"f(t) = \gamma^{n(t)}, \qquad n(t) = \text{number of milestones} \le t", "multi_step_decay"
    ),
    "Noise": Shown(r"f(t) = 1 + z(t), \qquad |z(t)| < \mathrm{amount}", "noise"),
    "OneCycle": Shown(
        r"\frac{\eta_{\mathrm{peak}}}{\mathrm{div\_factor}} \; \longrightarrow \; \eta_{\mathrm{peak}} \; "
        r"\longrightarrow \; \frac{\eta_{\mathrm{peak}}}{\mathrm{div\_factor} \cdot \mathrm{final\_div\_factor}}",
        "one_cycle",
    ),
    "Piecewise": Shown(r"f(t) = a + (b - a) \, x, \qquad x = \frac{t - t_a}{t_b - t_a}", "piecewise"),
    "PolynomialDecay": Shown(r"f(t) = e + (1 - e) \left(1 - \frac{t}{T}\right)^{p}", "polynomial_decay"),
    "ReduceLROnPlateau": Shown(
        r"f_k = \max\left(f_{k-1} \cdot \mathrm{factor}, \; \frac{\eta_{\min}}{\eta_{\mathrm{base}}}\right), "
        r"\qquad f_0 = 1",
        "plateau",
    ),
    "Restarts": Shown(
        r"f(t) = e + (g(t_n) - e) \, \frac{\max(p_n, e) - e}{1 - e}, \qquad p_n = \mathrm{cycle\_decay}^{\,n}",
        "restarts",
    ),
    "Rex": Shown(r"f(t) = e + (1 - e) \, \frac{1 - x}{1 - x / 2}, \qquad x = \frac{t}{T}", "rex"),
    "Sequential": Shown(r"f(t) = f_k(t - m_k) \qquad \text{for} \; m_k \le t < m_{k+1}", "sequential"),
    "SGDR": Shown(
        r"\eta(t) = \eta_{\min} + (p_n - \eta_{\min}) \, \frac{1 + \cos(\pi t_n / T_n)}{2}, "
        r"\qquad T_n = T_0 \cdot T_{\mathrm{mult}}^{\,n}",
        "sgdr",
    ),
    "StepDecay": Shown(r"f(t) = \gamma^{\lfloor t / s \rfloor}", "step_decay"),
    "TanhDecay": Shown(
        r"\eta(t) = \eta_{\min} + (\eta_{\mathrm{base}} - \eta_{\min}) \, \frac{1 - \tanh(l (1 - x) + u x)}{2}, "
        r"\qquad x = \frac{t}{T}",
        "tanh_decay",
    ),
    "TorchScheduler": Shown(
        r"f(t) = \frac{\eta_{\mathrm{scheduler}}(t)}{\eta_{\mathrm{base}}}", "torch_cosine_annealing_warm_restarts"
    ),
    "UntunedWarmup": Shown(
        r"f(t) = \min\left(1, \frac{t + 1}{n}\right), \qquad n = \left\lfloor \frac{2}{1 - \beta_2} \right\rfloor",
        "untuned_warmup",
    ),
    "Warmup": Shown(r"f(t) = s + (e - s) \, \frac{t}{T}", "warmup"),
    "WarmupStableDecay": Shown(
        r"f(t) = \begin{cases} s + (1 - s) \, t / W & t < W \\ 1 & W \le t < T - D \\ "
        r"e + (1 - e) \, d(x) & x = (t - (T - D)) / D \end{cases}",
        "warmup_stable_decay",
    ),
}
"""Class -> formula (of the default shape) and picture. Symbols are explained in the docstrings."""


def mathml(tex: str, *, block: bool) -> str:
    """TeX as MathML, which browsers show without help."""
    return str(tex2mathml(tex, as_block=block))


def visit_math(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    writer.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula in a line of its own."""
    writer.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def register(app: Sphinx) -> None:
    """Let Sphinx use it for all formulas."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
