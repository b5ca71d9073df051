"""The auditor: the laws, judged from the topics alone by the ledger."""
