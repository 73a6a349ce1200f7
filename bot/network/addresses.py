"""Which network addresses may be reached: public ones, and those that the operator allows."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from typing import TYPE_CHECKING

from bot.domain.errors import FetchError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Addresses:
    """Resolves names to addresses that may be reached.

    :param allowed: networks that may be reached although they aren't public, such as ``10.20.0.0/16``.
    :raises SettingsError: one of them isn't a network.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        try:
            self._allowed = [ipaddress.ip_network(each, strict=False) for each in allowed]
        except ValueError as error:
            raise SettingsError(f"Setting 'network.allow': {error}.", hint="Use networks like 10.20.0.0/16.") from None

    def reachable(self, ip: IP) -> bool:
        """Return whether an address may be reached. An IPv4 address inside an IPv6 one must be allowed, too."""
        if any(ip in network for network in self._allowed):
            return True
        inner = _inner(ip)
        return all(self.reachable(each) for each in inner) if inner else ip.is_global and not ip.is_multicast

    def resolve(self, host: str, port: int, seconds: float) -> list[str]:
        """Return the addresses of a host.

        :raises FetchError: there are none in time, or one of them may not be reached.
        """
        found = _looked_up(host, port, seconds)
        for address in found:
            if not self.reachable(ipaddress.ip_address(address)):
                raise FetchError(
                    f"{host} has the address {address}, which isn't public.",
                    hint="An operator can allow its network: network.allow in mentee.toml.",
                )
        return found


def _inner(ip: IP) -> list[ipaddress.IPv4Address]:
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None
    return [each for each in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ()), nat64) if each is not None]


def _looked_up(host: str, port: int, seconds: float) -> list[str]:
    """Ask the system's resolver, which has no time limit, in a thread that may be left behind."""
    answer: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)))
        except (OSError, UnicodeError) as error:
            answer.put(OSError(str(error)))

    threading.Thread(target=look_up, name=f"looks up {host}", daemon=True).start()
    try:
        result = answer.get(timeout=max(seconds, 0.01))
    except queue.Empty:
        raise FetchError(f"The name {host} could not be looked up in time.", hint="Check the network.") from None
    if isinstance(result, OSError) or not result:
        raise FetchError(f"The name {host} could not be looked up: {result}.", hint="Check the address.")
    return result
