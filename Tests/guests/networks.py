"""The networks that hosts of tests can have, as libvirt defines them."""

# One with a way out, as machines in production have it, and the address of each guest by its number.
PRODUCTION = """<network><name>production</name><forward mode='nat'/>
  <bridge name='production' stp='off' delay='0'/>
  <ip address='10.77.0.1' netmask='255.255.255.0'><dhcp>
    <range start='10.77.0.100' end='10.77.0.199'/>
    {addresses}
  </dhcp></ip></network>
""".format(addresses="\n    ".join(
    f"<host mac='52:54:00:77:00:{number:02x}' ip='10.77.0.{number}'/>" for number in range(10, 40)))

# One without; guests get other addresses there.
BUBBLE = """<network><name>bubble</name><bridge name='bubble' stp='off' delay='0'/>
  <ip address='10.78.0.1' netmask='255.255.255.0'><dhcp>
    <range start='10.78.0.100' end='10.78.0.199'/></dhcp></ip></network>
"""

# One in which the host itself has no address.
DARK = "<network><name>dark</name><bridge name='dark' stp='off' delay='0'/></network>\n"

NETWORKS = {"production": PRODUCTION, "bubble": BUBBLE, "dark": DARK}
