"""The version of the product: the build, the command line and every record that names its maker read it here."""

VERSION = "0.1.0"
