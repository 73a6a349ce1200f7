"""The core of Mentee: it knows no channel, no department and no training; plugins bring those."""
