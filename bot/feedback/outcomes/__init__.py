"""The outcome ledger: how questions ended, with the figures that follow and the questions behind each."""
