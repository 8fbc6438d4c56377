"""The table of addresses, at its edges."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from rushes.egress.addresses import may_be_dialled

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255
192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8
2000::1 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1111 2a00:1450::1 3ffe::1 3fff:1000::1
"""

CLOSED = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.255
168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1
192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 1fff::1
2001::1 2001:0:7f00:1:: 2001:20::1 2001:1ff:ffff::1 2001:db8::1 2002:7f00:1:: 2002:: 2620:4f:8000::1 3fff::1
3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo 2606:4700::1111%lo fec0::1 ff02::1
127.1 0x7f.1 localhost
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_the_public_internet_may_be_dialled(address: str) -> None:
    assert may_be_dialled(address)


@pytest.mark.parametrize("address", [*CLOSED.split(), ""])
def test_nothing_else_may(address: str) -> None:
    assert not may_be_dialled(address)


def test_a_network_that_the_operator_opened_may_too() -> None:
    opened = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    assert may_be_dialled("10.1.2.3", opened)
    assert may_be_dialled("::ffff:10.1.2.3", opened)
    assert may_be_dialled("fd00:1::5", opened)
    assert not may_be_dialled("10.2.0.1", opened)
    assert not may_be_dialled("fd00:2::5", opened)
