"""A browser of run folders: pages that a server on this machine makes of what is in them."""

from trimtab.viewing.pages import Pages
from trimtab.viewing.server import Server
from trimtab.viewing.site import Answer, Site

__all__ = ["Answer", "Pages", "Server", "Site"]
