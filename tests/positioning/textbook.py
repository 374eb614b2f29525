"""A plain extended Kalman filter of an open area, with whole matrices, for comparison."""

import math

import numpy as np
from numpy.typing import NDArray

from positioning.observation import FIX, Records
from positioning.settings import TrackerSettings

Floats = NDArray[np.float64]


class TextbookFilter:
    """State: x, y, vx, vy, then one bias for each anchor where the settings give it a size.

    The update is in Joseph's form.
    """

    def __init__(
        self, fix: Records, settings: TrackerSettings, anchors_m: Floats, card_z_m: float
    ) -> None:
        """Starts from one fix."""
        self.settings, self.anchors_m, self.card_z_m = settings, anchors_m, card_z_m
        self.biases = len(anchors_m) if settings.bias_sigma_m > 0.0 else 0
        self.t_ns = int(fix["t_ns"][0])
        self.x = np.zeros(4 + self.biases)
        self.x[:4] = [fix[name][0] for name in ("x_m", "y_m", "vx_m_s", "vy_m_s")]
        variances = [settings.start_speed_m_s**2] * 2 + [settings.bias_sigma_m**2] * self.biases
        self.p = np.diag([0.0] * 2 + variances)
        xx, xy, yy = (fix[name][0] for name in ("var_x_m2", "cov_xy_m2", "var_y_m2"))
        self.p[:2, :2] = [[xx, xy], [xy, yy]]

    def predict(self, t_ns: int) -> None:
        """Moves the state on."""
        dt = (t_ns - self.t_ns) * 1e-9
        keep = math.exp(-dt / self.settings.bias_tau_s)
        f = np.diag([1.0] * 4 + [keep] * self.biases)
        f[0, 2] = f[1, 3] = dt
        one = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        q = np.zeros_like(self.p)
        q[:4, :4] = self.settings.acceleration_q_m2_s3 * np.kron(one, np.eye(2))
        q[4:, 4:] = np.eye(self.biases) * self.settings.bias_sigma_m**2 * (1 - keep**2)
        self.x, self.p, self.t_ns = f @ self.x, f @ self.p @ f.T + q, t_ns

    def expected(self, anchor: int) -> tuple[float, Floats]:
        """The range to an anchor, and its gradient."""
        offset = np.array([*self.x[:2], self.card_z_m]) - self.anchors_m[anchor]
        slant_m = float(np.linalg.norm(offset))
        h = np.zeros(len(self.x))
        h[:2] = offset[:2] / slant_m
        if self.biases:
            h[4 + anchor] = 1.0
            slant_m += float(self.x[4 + anchor])
        return slant_m, h

    def take_range(self, anchor: int, range_m: float) -> float:
        """A range; gives the normalised innovation squared."""
        expected_m, h = self.expected(anchor)
        noise = np.array([[self.settings.range_sigma_m**2]])
        return self._update(h[None, :], np.array([range_m - expected_m]), noise)

    def take_difference(self, anchor: int, other: int, difference_m: float) -> float:
        """How much further `anchor` is than `other`; gives the same."""
        one, h = self.expected(anchor)
        two, g = self.expected(other)
        noise = np.array([[self.settings.difference_sigma_m**2]])
        return self._update((h - g)[None, :], np.array([difference_m - one + two]), noise)

    def take_place(self, place: Floats, covariance: Floats) -> float:
        """A place with its covariance, both coordinates at once; gives the same."""
        h = np.eye(2, len(self.x))
        return self._update(h, place - self.x[:2], covariance)

    def take(self, m: np.void) -> float:
        """One MEASUREMENT that is not a sighting, at its time; gives the same."""
        self.predict(int(m["t_ns"]))
        if m["kind"] == 0:
            return self.take_range(int(m["source"]), float(m["value_m"]))
        if m["kind"] == 1:
            return self.take_difference(int(m["source"]), int(m["other"]), float(m["value_m"]))
        covariance = np.array(
            [[m["var_x_m2"], m["cov_xy_m2"]], [m["cov_xy_m2"], m["var_y_m2"]]], np.float64
        )
        return self.take_place(np.array([m["value_m"], m["y_m"]]), covariance)

    def fix(self) -> Records:
        """(1,) FIX: place, velocity and covariance."""
        fix = np.zeros(1, FIX)
        fix["t_ns"] = self.t_ns
        fix["x_m"], fix["y_m"], fix["vx_m_s"], fix["vy_m_s"] = self.x[:4]
        fix["var_x_m2"], fix["cov_xy_m2"] = self.p[0, 0], self.p[0, 1]
        fix["var_y_m2"] = self.p[1, 1]
        return fix

    def _update(self, h: Floats, innovation: Floats, noise: Floats) -> float:
        s = h @ self.p @ h.T + noise
        gain = self.p @ h.T @ np.linalg.inv(s)
        self.x = self.x + gain @ innovation
        a = np.eye(len(self.x)) - gain @ h
        self.p = a @ self.p @ a.T + gain @ noise @ gain.T
        return float(innovation @ np.linalg.solve(s, innovation))
