"""Find out whether a camera's electron-multiplying gain takes effect, whichever words its adapter uses.

An EMCCD has a second way out that bypasses the multiplying register; the value of the gain property then has no effect.
Adapters name the switch (``EMSwitch``, ``Output_Amplifier``, ``Port`` ...) and its values differently. Words that are
not understood are not guessed at: the gain is then recorded as unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hcc_scope.errors import ConfigError

if TYPE_CHECKING:
    from hcc_scope.microscope.backend import Backend
    from hcc_scope.types import RigRoles

__all__ = ["EmSwitch"]

_OFF = frozenset({"off", "false", "no", "disabled", "disable", "inactive", "bypassed"})
_ON = frozenset({"on", "true", "yes", "enabled", "enable", "active"})
_SURELY_OFF = ("non em", "no em", "em off")
_OFF_WORDS = ("conventional", "normal")
_EM_WORDS = ("multiplying", "multiplication", "em", "emccd")
_INVERSE = ("bypass", "bypassed", "disable", "disabled", "off", "without", "no", "non", *_OFF_WORDS)
"""In a property's own name these may turn its plain words round: ``Bypass`` that is ``On`` switches the gain off."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBER = re.compile(r"\d+(\.\d*)?")
_WORD_BREAKS = re.compile(r"[\s_\-/()]+")


def _plain(text: str) -> str:
    return " ".join(_WORD_BREAKS.split(text.strip().lower())).strip()


class EmSwitch:
    """Reads the switch. In the core's thread only.

    Parameters
    ----------
    backend : Backend
    roles : RigRoles
        `em_switch` names the property; `em_switch_off` gives the values that mean off, where they are not plain.
    """

    def __init__(self, backend: Backend, roles: RigRoles) -> None:
        self._ask = backend.ask
        self._backend = backend
        self._name = roles.em_switch
        self._off = frozenset(roles.em_switch_off)
        self._values: dict[str, tuple[str, ...]] = {}

    def gain(self, camera: str, gain: float | None) -> float | None:
        """Return the gain that takes effect: 1 where the register is bypassed, None where that is not known."""
        if self._name is None:
            return gain
        on = self.is_on(camera)
        if on is None:
            return None
        return gain if on else 1.0

    def is_on(self, camera: str) -> bool | None:
        """Return whether the gain takes effect; None if the camera's words are not understood."""
        assert self._name is not None
        text = str(self._ask(f"asking camera '{camera}'", "get_property", camera, self._name))
        return self._means(text, len(self._allowed(camera)))

    def may_mean_on(self, camera: str, text: str) -> bool:
        """Return whether a value of the switch lets the gain take effect, as far as the camera's words show."""
        return self._means(text, len(self._allowed(camera))) is not False

    def word(self, camera: str, *, on: bool) -> str:
        """Return the camera's word for on or off.

        Raises
        ------
        ConfigError
            If it has no word that is understood.
        """
        allowed = self._allowed(camera)
        if not allowed:
            return "On" if on else "Off"
        for value in allowed:
            if self._means(value, len(allowed)) is on:
                return value
        raise self._not_understood(allowed[0], allowed)

    def _allowed(self, camera: str) -> tuple[str, ...]:
        assert self._name is not None
        if camera not in self._values:
            self._values[camera] = self._backend.labels("get_allowed_property_values", camera, self._name)
        return self._values[camera]

    def _not_understood(self, value: str, allowed: tuple[str, ...]) -> ConfigError:
        listed = "; it takes " + ", ".join(f"'{one}'" for one in allowed) if allowed else ""
        return ConfigError(
            f"'{value}' of '{self._name}', the rig file's role em_switch, means neither on nor off{listed}",
            hint='Name the values that switch the gain off in the rig file, under roles: em_switch_off: ["..."]',
        )

    def _means(self, text: str, n_values: int) -> bool | None:
        if self._off:
            return text not in self._off
        plain = _plain(text)
        if plain in _ON | _OFF or _NUMBER.fullmatch(plain):
            assert self._name is not None
            name = _plain(_CAMEL.sub(" ", self._name))
            if any(_has(name, word) for word in _INVERSE):
                return None
        if _NUMBER.fullmatch(plain):
            # of three ports, number 1 is just a port
            return {0.0: False, 1.0: True}.get(float(plain)) if n_values in (0, 2) else None
        if plain in _OFF or any(_has(plain, word) for word in _SURELY_OFF):
            return False
        if plain in _ON:
            return True
        off, on = (any(_has(plain, word) for word in words) for words in (_OFF_WORDS, _EM_WORDS))
        return on if on != off else None

    def check(self, camera: str) -> None:
        """Refuse a switch whose words are not understood, and words in the rig file that the camera does not know.

        Raises
        ------
        ConfigError
            With the words that the camera has.
        """
        if self._name is None:
            return
        allowed = self._allowed(camera)
        unknown = sorted(self._off - set(allowed)) if allowed else []
        if unknown:
            listed = ", ".join(f"'{value}'" for value in allowed)
            raise ConfigError(
                f"the rig file's em_switch_off names '{unknown[0]}', which '{self._name}' of camera '{camera}'"
                f" does not take: it takes {listed}"
            )
        if self.is_on(camera) is None:
            now = str(self._ask(f"asking camera '{camera}'", "get_property", camera, self._name))
            raise self._not_understood(now, allowed)


def _has(plain: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", plain) is not None
