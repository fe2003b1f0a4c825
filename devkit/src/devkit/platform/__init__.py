"""
The whole platform on this machine: Kafka, MongoDB, a mail sink and the four services as processes.

    with Platform.start(ephemeral=True) as platform:
        platform.addresses.intake, platform.keys.emit

Nothing of it is left when the block is left, nor when this process dies in whatever way.
"""

from devkit.platform.keys import KeyRing
from devkit.platform.mail import MailSink
from devkit.platform.running import DEFAULT_DATA, SERVICES, Addresses, Platform, PlatformError
from devkit.platform.service import ServiceProcess

__all__ = [
    "DEFAULT_DATA",
    "SERVICES",
    "Addresses",
    "KeyRing",
    "MailSink",
    "Platform",
    "PlatformError",
    "ServiceProcess",
]
